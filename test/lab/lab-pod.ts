// SPDX-License-Identifier: Apache-2.0
// A running pod: its network, its cgroup, its one process. The kubelet makes, watches and ends it; tests
// reach into it.

import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ClientMethods } from './apps/client.ts';
import { createCgroup, removeCgroupTree } from './cgroup-tree.ts';
import type { KubeObject } from './kube-object.ts';
import type { LabNode, PodNetwork } from './lab-node.ts';
import { namespacePath } from './netns.ts';
import { containerOf, podSpec } from './pod-object.ts';
import { Remote } from './rpc.ts';
import { type CommandResult, finished } from './run-command.ts';
import { type Place, spawnInside } from './spawn-inside.ts';
import type { AddressPair } from './topology.ts';

const DEFAULT_GRACE_SECONDS = 30;

/** getaddrinfo asks /etc/hosts and DNS and nobody else, whatever the machine is set up to ask. */
const NSSWITCH = 'hosts: files dns\n';

export interface PodSurroundings {
  /** For the files that the pod sees and for its log. */
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
  /** The text of /etc/resolv.conf; undefined leaves the machine's. */
  readonly resolvConf: string | undefined;
}

export class LabPod {
  readonly name: string;
  readonly namespace: string;
  readonly node: LabNode;
  readonly addresses: AddressPair;
  readonly logFile: string;
  readonly #pod: KubeObject;
  readonly #place: Place;
  readonly #network: PodNetwork | undefined;
  readonly #process: ChildProcess;
  readonly #remote: Remote<ClientMethods>;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #ended: Promise<unknown>;

  private constructor(
    pod: KubeObject,
    node: LabNode,
    network: PodNetwork | undefined,
    place: Place,
    { directory, environment }: PodSurroundings,
  ) {
    this.#pod = pod;
    this.name = pod.metadata.name;
    this.namespace = pod.metadata.namespace ?? 'default';
    this.node = node;
    this.addresses = network?.addresses ?? node.addresses;
    this.logFile = `${directory}/${podFileName(pod)}.log`;
    this.#network = network;
    this.#place = place;
    this.#environment = { ...environment, HOSTNAME: network ? this.name : node.name };
    const log = openSync(this.logFile, 'a');
    this.#process = this.spawn(commandOf(pod), { stdio: ['ignore', log, log, 'ipc'] });
    closeSync(log);
    this.#ended = new Promise((resolve) => {
      this.#process.once('exit', resolve);
      this.#process.once('error', resolve);
    });
    this.#remote = new Remote(this.#process);
  }

  /** Makes the pod's network, cgroup and files and starts its process. */
  static async start(
    pod: KubeObject,
    node: LabNode,
    surroundings: PodSurroundings,
  ): Promise<LabPod> {
    const { directory, resolvConf } = surroundings;
    const file = podFileName(pod);
    const cgroup = `${node.cgroup}/${file}`;
    const files: Record<string, string> = {};
    if (resolvConf !== undefined) {
      files['/etc/resolv.conf'] = `${directory}/${file}.resolv.conf`;
      files['/etc/nsswitch.conf'] = `${directory}/nsswitch.conf`;
      await writeFile(`${directory}/${file}.resolv.conf`, resolvConf);
      await writeFile(`${directory}/nsswitch.conf`, NSSWITCH);
    }
    createCgroup(cgroup);
    const network = podSpec(pod).hostNetwork ? undefined : await node.addPodNetwork(file);
    const namespace = network?.namespace ?? node.namespace;
    return new LabPod(pod, node, network, { namespace, cgroup, files }, surroundings);
  }

  /** Settles when the pod's process has ended, by itself or not. */
  get ended(): Promise<unknown> {
    return this.#ended;
  }

  /** Whose programs the node's agent serves. */
  get cgroup(): string {
    return this.#place.cgroup;
  }

  get namespacePath(): string {
    return namespacePath(this.#place.namespace);
  }

  /** What image `client` can do; see apps/client.ts. */
  get client(): Remote<ClientMethods> {
    return this.#remote;
  }

  /** Starts a program in the pod, as `kubectl exec` does: same network, cgroup, files and environment. */
  spawn(argv: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const env = { PATH: process.env.PATH, ...this.#environment, ...options.env };
    return spawnInside(this.#place, argv, { ...options, env });
  }

  /** Runs a program in the pod to its end. */
  run(argv: readonly string[], options: SpawnOptions = {}): Promise<CommandResult> {
    return finished(this.spawn(argv, { stdio: ['ignore', 'pipe', 'pipe'], ...options }));
  }

  /** preStop, SIGTERM, grace period, SIGKILL; resolves once the process has ended. */
  async stop(): Promise<void> {
    const { terminationGracePeriodSeconds: seconds = DEFAULT_GRACE_SECONDS } = podSpec(this.#pod);
    const overdue = AbortSignal.timeout(seconds * 1000);
    const preStopMs = (containerOf(this.#pod).lifecycle?.preStop?.sleep?.seconds ?? 0) * 1000;
    await Promise.race([sleep(preStopMs, undefined, { ref: false }), this.#ended]);
    this.#process.kill('SIGTERM');
    const kill = () => this.#process.kill('SIGKILL');
    overdue.addEventListener('abort', kill, { once: true });
    await this.#ended;
    overdue.removeEventListener('abort', kill);
  }

  /** Ends whatever still runs in the pod and takes away its network, cgroup and files; the log stays. */
  async remove(): Promise<void> {
    await removeCgroupTree(this.#place.cgroup);
    if (this.#network) await this.node.removePodNetwork(podFileName(this.#pod), this.#network);
    const resolvConf = this.#place.files?.['/etc/resolv.conf'];
    if (resolvConf) await rm(resolvConf, { force: true });
  }
}

/** Unique on a node, and fit for the name of a file or cgroup. */
function podFileName(pod: KubeObject): string {
  return `${pod.metadata.namespace}_${pod.metadata.name}`;
}

function commandOf(pod: KubeObject): string[] {
  const { image, command, args = [] } = containerOf(pod);
  if (command) return [...command, ...args];
  const app = image.split(':')[0];
  return [process.execPath, fileURLToPath(new URL(`apps/${app}.ts`, import.meta.url)), ...args];
}
