// SPDX-License-Identifier: Apache-2.0
// A running pod: its network, its cgroup, its one process. The kubelet makes, watches and ends it; tests
// reach into it.

import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
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
import { Termination } from './termination.ts';
import type { AddressPair } from './topology.ts';

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
  readonly #file: string;
  readonly #place: Place;
  readonly #network: PodNetwork | undefined;
  readonly #process: ChildProcess;
  readonly #remote: Remote<ClientMethods>;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #ended: Promise<number | null>;
  readonly #termination: Termination;

  private constructor(
    pod: KubeObject,
    node: LabNode,
    network: PodNetwork | undefined,
    place: Place,
    { directory, environment }: PodSurroundings,
  ) {
    this.#file = podFileName(pod);
    this.name = pod.metadata.name;
    this.namespace = pod.metadata.namespace ?? 'default';
    this.node = node;
    this.addresses = network?.addresses ?? node.addresses;
    this.logFile = `${directory}/${this.#file}.log`;
    this.#network = network;
    this.#place = place;
    this.#environment = { ...environment, HOSTNAME: network ? this.name : node.name };
    const log = openSync(this.logFile, 'a');
    this.#process = this.spawn(commandOf(pod), { stdio: ['ignore', log, log, 'ipc'] });
    closeSync(log);
    this.#ended = new Promise((resolve) => {
      this.#process.once('exit', resolve);
      this.#process.once('error', () => resolve(null));
    });
    const preStop = containerOf(pod).lifecycle?.preStop?.sleep?.seconds ?? 0;
    const kill = (signal: 'SIGTERM' | 'SIGKILL') => this.#process.kill(signal);
    this.#termination = new Termination({ kill, ended: this.#ended }, preStop);
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

  /** Resolves with the exit code when the pod's process has ended, by itself or not; null for a signal. */
  get ended(): Promise<number | null> {
    return this.#ended;
  }

  /** Whose programs the node's agent serves. */
  get cgroup(): string {
    return this.#place.cgroup;
  }

  /** For who starts something in it and wants no more of it than a network and a cgroup. */
  get place(): Place {
    return this.#place;
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

  /** preStop, SIGTERM, SIGKILL; called again it may only shorten that. @returns once the process has ended. */
  stop(graceSeconds: number): Promise<void> {
    return this.#termination.within(graceSeconds);
  }

  /** Ends whatever still runs in the pod and takes away its network, cgroup and files; the log stays. */
  async remove(): Promise<void> {
    await removeCgroupTree(this.#place.cgroup);
    if (this.#network) await this.node.removePodNetwork(this.#file, this.#network);
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
