// SPDX-License-Identifier: Apache-2.0
// A whole cluster on one machine: nodes and pods are network namespaces, the API server is in this
// process, the agents are real. The demo, the netns tests and the benchmark start here. Invariant:
// close() takes everything off the machine again, whatever became of start().

import { mkdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EnvironmentError } from '../../agent/errors.ts';
import { findCgroupRoot } from '../../agent/sys/cgroup.ts';
import { AgentProcess } from './agent-process.ts';
import { ApiServer } from './api-server.ts';
import { ensureBpffs } from './bpf-filesystem.ts';
import { createCgroup } from './cgroup-tree.ts';
import { EndpointSliceController } from './endpoint-slice-controller.ts';
import { Fabric } from './fabric.ts';
import type { KubeObject } from './kube-object.ts';
import { kubeconfig } from './kubeconfig.ts';
import { Kubelet } from './kubelet.ts';
import { kubernetesService } from './kubernetes-service.ts';
import { newLabId } from './lab-id.ts';
import { LabNode } from './lab-node.ts';
import type { LabPod } from './lab-pod.ts';
import { type LabPaths, labPaths, removeLeftovers, removeTraces } from './lab-traces.ts';
import { parseManifests } from './manifests.ts';
import { defaultZone, inZone, nodeObject } from './node-object.ts';
import { ObjectStore } from './object-store.ts';
import { Outsider } from './outsider.ts';
import { markedForDeletion } from './pod-deletion.ts';
import { isReady } from './pod-object.ts';
import { schedulePods } from './scheduler.ts';
import { defaultServiceCidr } from './service-cidr.ts';
import { exitOnSignals } from './signals.ts';
import { type AddressPair, FABRIC, SERVICE_CIDRS } from './topology.ts';
import { until } from './until.ts';

const API_PORT = 6443;
/** After its grace period, until nothing is left of a pod. */
const REMOVAL_WITHIN_MS = 10_000;
const NAMESPACES = ['default', 'kube-system'];
/** Of all traces, at most, so far apart. */
const REMOVALS = 10;
const REMOVE_AGAIN_MS = 300;

export interface LabOptions {
  /** Default 2. */
  readonly nodes?: number;
  /** The topology zone of each node; undefined for a node without one. Default: `zone-a`, `zone-b`, one each. */
  readonly zones?: readonly (string | undefined)[];
  /** How many clients there are outside of the cluster. Default 0. */
  readonly outsiders?: number;
  /** Whether each node gets its agent. Default true. */
  readonly agents?: boolean;
  /** Where cluster IPs are from. Default {@link SERVICE_CIDRS}; others must begin with the same address. */
  readonly serviceCidrs?: AddressPair;
  /** Applied before the agents start. */
  readonly manifests?: readonly string[];
}

export class Lab {
  readonly id = newLabId();
  readonly store: ObjectStore;
  readonly api: ApiServer;
  /** For programs on the machine, such as kubectl. */
  readonly kubeconfig: string;
  /** For programs on the nodes. */
  readonly nodeKubeconfig: string;
  readonly nodes: readonly LabNode[];
  readonly outsiders: readonly Outsider[];
  /** In the order of {@link nodes}; empty without agents. */
  readonly agents: readonly AgentProcess[];
  readonly #options: LabOptions;
  readonly #cgroupRoot = findCgroupRoot();
  readonly #paths: LabPaths;
  /** How to stop what was started, in order of starting. */
  readonly #stops: (() => unknown)[] = [];
  readonly #ending = new AbortController();
  #fabric: Fabric | undefined;
  #kubelet: Kubelet | undefined;
  #closing: Promise<void> | undefined;

  private constructor(options: LabOptions) {
    this.#options = options;
    this.store = new ObjectStore({ serviceCidrs: this.#serviceRanges });
    this.api = new ApiServer(this.store, { gracefulPodDeletion: true });
    this.#paths = labPaths(this.id, this.#cgroupRoot);
    const { directory } = this.#paths;
    this.kubeconfig = path.join(directory, 'kubeconfig');
    this.nodeKubeconfig = path.join(directory, 'node.kubeconfig');
    const { nodes = 2, outsiders = 0, agents = true } = options;
    const { cgroup } = this.#paths;
    this.nodes = Array.from({ length: nodes }, (_, i) => new LabNode(this.id, i + 1, this.#paths));
    this.outsiders = Array.from(
      { length: outsiders },
      (_, i) => new Outsider(this.id, i + 1, cgroup),
    );
    mkdirSync(directory);
    this.agents = (agents ? this.nodes : []).map(
      (node) =>
        new AgentProcess({
          node,
          kubeconfig: this.nodeKubeconfig,
          logFile: path.join(directory, `agent-${node.name}.log`),
          compileCache: path.join(directory, 'compile-cache'),
        }),
    );
  }

  /**
   * Starts a cluster: nodes, API server, controllers and, if wanted, agents that are ready.
   *
   * @throws EnvironmentError when not run by root.
   */
  static async start(options: LabOptions = {}): Promise<Lab> {
    requireRoot();
    const lab = new Lab(options);
    try {
      await lab.#start();
    } catch (error) {
      await lab.close().catch(() => {});
      throw error;
    }
    return lab;
  }

  /** Logs of agents and pods, kubeconfigs; gone after close(). */
  get directory(): string {
    return this.#paths.directory;
  }

  /** Aborted once close() has been called, by whomever: a signal calls it too. */
  get ending(): AbortSignal {
    return this.#ending.signal;
  }

  /** Applies manifests as `kubectl apply` would. @returns the stored objects. */
  applyManifests(yaml: string): KubeObject[] {
    return parseManifests(yaml).map((object) => this.store.apply(object));
  }

  /** @param index from 1. @throws RangeError when there is no such node. */
  node(index: number): LabNode {
    const node = this.nodes[index - 1];
    if (!node) throw new RangeError(`there is no node ${index} among ${this.nodes.length}`);
    return node;
  }

  /**
   * Moves a node to another topology zone, as `kubectl label node` does.
   *
   * @param index of the node, from 1.
   * @param zone undefined takes the label away.
   */
  setZone(index: number, zone: string | undefined): void {
    const { name } = this.node(index);
    const node = this.store.get('Node', '', name);
    if (!node) throw new Error(`the Node ${name} is not in the store`);
    this.store.update(inZone(node, zone));
  }

  /** @param index from 1. @throws RangeError when there is no such outsider. */
  outsider(index: number): Outsider {
    const outsider = this.outsiders[index - 1];
    if (!outsider)
      throw new RangeError(`there is no outsider ${index} among ${this.outsiders.length}`);
    return outsider;
  }

  /**
   * Takes packets from outside to `address`, which no host has, to a node: what a load balancer announces to routers,
   * or their owner configures.
   *
   * @param index of the node, from 1.
   */
  async route(address: string, index: number): Promise<void> {
    if (!this.#fabric) throw new Error(`lab ${this.id} does not run`);
    await this.#fabric.route(address, this.node(index));
  }

  /** A running pod. @throws Error when there is none. */
  pod(name: string, namespace = 'default'): LabPod {
    const pod = this.#kubelet?.pod(namespace, name);
    if (!pod) throw new Error(`pod ${namespace}/${name} does not run`);
    return pod;
  }

  /** Waits until every Pod of `namespace` (of all when left out) that is not on its way out is ready. */
  async podsReady(namespace?: string): Promise<void> {
    await until('all pods ready', () =>
      this.store
        .list('Pod')
        .filter(({ metadata }) => namespace === undefined || metadata.namespace === namespace)
        .filter(({ metadata }) => !metadata.deletionTimestamp)
        .every(isReady),
    );
  }

  /**
   * Deletes a Pod as `kubectl delete` does.
   *
   * @param graceSeconds `--grace-period`; default the Pod's own. Asked a second time, it can be shortened; 0
   *   does not wait for the process to end.
   * @returns once the object is gone.
   */
  async deletePod(name: string, namespace = 'default', graceSeconds?: number): Promise<void> {
    const pod = this.store.get('Pod', namespace, name);
    if (!pod) throw new Error(`there is no pod ${namespace}/${name}`);
    const marked = markedForDeletion(pod, graceSeconds, Date.now());
    if (!marked) {
      this.store.delete('Pod', namespace, name);
      return;
    }
    this.store.update(marked);
    const { uid, deletionGracePeriodSeconds = 0 } = marked.metadata;
    await until(
      `pod ${name} gone`,
      () => this.store.get('Pod', namespace, name)?.metadata.uid !== uid,
      deletionGracePeriodSeconds * 1000 + REMOVAL_WITHIN_MS,
    );
  }

  /** An HTTP request from the fabric, which reaches all nodes and pods. @returns whether it went well: 2xx or 3xx. */
  async request(url: string, method = 'GET'): Promise<boolean> {
    return (await this.#fabric?.request(url, { method })) ?? false;
  }

  /**
   * Ends everything and removes every trace. Safe to call at any time and more than once.
   *
   * @throws AggregateError naming what went wrong; all that could be removed is removed.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #start(): Promise<void> {
    const { cgroup } = this.#paths;
    this.#stops.push(exitOnSignals(() => this.close()));
    await removeLeftovers(this.#cgroupRoot);
    await ensureBpffs();
    createCgroup(cgroup);
    const fabric = await Fabric.connect(`${this.id}-fabric`, cgroup, this.nodes, this.outsiders);
    this.#fabric = fabric;
    this.#stops.push(() => fabric.close());
    await this.#serveApi(fabric);
    this.#control(fabric);
    this.applyManifests((this.#options.manifests ?? []).join('\n---\n'));
    await Promise.all(
      this.agents.map((agent) => {
        this.#stops.push(() => agent.remove());
        return agent.start();
      }),
    );
  }

  get #serviceRanges(): string[] {
    const { ipv4, ipv6 } = this.#options.serviceCidrs ?? SERVICE_CIDRS;
    return [ipv4, ipv6];
  }

  async #serveApi(fabric: Fabric): Promise<void> {
    this.#stops.push(() => this.api.close());
    for (const host of Object.values(FABRIC)) {
      const server = await fabric.listen(host, API_PORT);
      this.#stops.push(() => server.close());
      await this.api.listen(server);
    }
    const port = await this.api.listen({ host: '127.0.0.1', port: 0 });
    await writeFile(this.kubeconfig, kubeconfig(`http://127.0.0.1:${port}`));
    await writeFile(this.nodeKubeconfig, kubeconfig(`http://${FABRIC.ipv4}:${API_PORT}`));
  }

  /** The cluster's inner life: what is there without anybody's manifest, and who acts on what is. */
  #control(fabric: Fabric): void {
    const { store, nodes } = this;
    for (const name of NAMESPACES) {
      store.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    }
    const { zones = nodes.map(({ index }) => defaultZone(index)) } = this.#options;
    for (const node of nodes) {
      const { name, index, addresses } = node;
      store.create(nodeObject({ name, index, addresses, zone: zones[index - 1] }));
    }
    store.create(defaultServiceCidr(this.#serviceRanges));
    for (const object of kubernetesService(API_PORT)) store.create(object);
    const kubelet = new Kubelet({
      nodes,
      store,
      directory: this.directory,
      kubeconfig: this.nodeKubeconfig,
      probe: (url, timeoutMs) => fabric.request(url, { timeoutMs }),
      onError: (pod, error) => console.error(`pod ${pod.metadata.name}:`, error),
    });
    this.#kubelet = kubelet;
    const slices = new EndpointSliceController(store);
    this.#stops.push(
      () => slices.stop(),
      schedulePods(
        store,
        nodes.map((node) => node.name),
      ),
      () => kubelet.close(),
    );
  }

  async #close(): Promise<void> {
    this.#ending.abort();
    const problems: unknown[] = [];
    for (const stop of this.#stops.reverse()) {
      try {
        await stop();
      } catch (error) {
        problems.push(error);
      }
    }
    await this.#removeTraces().catch((error) => void problems.push(error));
    if (problems.length > 0)
      throw new AggregateError(problems, `lab ${this.id} ended with problems`);
  }

  /** Whoever uses the lab learns only bit by bit that a signal has ended it, and may have begun something meanwhile. */
  async #removeTraces(): Promise<void> {
    for (let left = REMOVALS; ; left--) {
      try {
        return await removeTraces(this.id, this.#cgroupRoot);
      } catch (error) {
        if (left === 1) throw error;
        await sleep(REMOVE_AGAIN_MS);
      }
    }
  }
}

/** @throws EnvironmentError when not run by root. */
export function requireRoot(): void {
  if (process.getuid?.() === 0) return;
  throw new EnvironmentError('the lab needs root', {
    hint: 'it makes network namespaces and cgroups, and loads BPF programs: run it with sudo',
  });
}
