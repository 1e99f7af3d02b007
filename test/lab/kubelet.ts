// SPDX-License-Identifier: Apache-2.0
// Runs the Pods that the store assigns to nodes, and reports their status back: one for all nodes of
// the lab. A deletionTimestamp is a graceful end: until it comes the Pod is probed and reported as before,
// and the object goes once the process has.

import { setTimeout as sleep } from 'node:timers/promises';
import { type KubeObject, keyOf } from './kube-object.ts';
import type { LabNode } from './lab-node.ts';
import { LabPod } from './lab-pod.ts';
import type { ObjectStore, StoreEvent } from './object-store.ts';
import {
  containerOf,
  type Observed,
  podSpec,
  podStatus,
  readinessUrl,
  statusOf,
} from './pod-object.ts';
import { serviceEnvironment } from './service-environment.ts';

const DNS_SERVICE = { namespace: 'kube-system', name: 'kube-dns' };
/** Until a pod is ready for the first time it is probed this often: nobody wants to wait for it. */
const STARTING_PERIOD_MS = 25;

export interface KubeletOptions {
  readonly nodes: readonly LabNode[];
  readonly store: ObjectStore;
  /** For pod logs and the files that pods see. */
  readonly directory: string;
  /** What containers find in KUBECONFIG: the lab has no service account tokens. */
  readonly kubeconfig: string;
  /** Whether a URL answers well, asked from a place that reaches every pod. */
  readonly probe: (url: string, timeoutMs: number) => Promise<boolean>;
  /** Hears of what goes wrong with a pod. */
  readonly onError: (pod: KubeObject, error: unknown) => void;
}

interface Entry {
  readonly uid: string | undefined;
  readonly startTime: string;
  readonly starting: Promise<LabPod>;
  running?: LabPod;
  ending?: Promise<void>;
}

export class Kubelet {
  readonly #options: KubeletOptions;
  readonly #pods = new Map<string, Entry>();
  readonly #unsubscribe: () => void;
  #closed = false;

  constructor(options: KubeletOptions) {
    this.#options = options;
    this.#unsubscribe = options.store.subscribe((event) => this.#hear(event));
    for (const pod of options.store.list('Pod')) this.#sync(pod);
  }

  /** @returns undefined while it does not run (yet). */
  pod(namespace: string, name: string): LabPod | undefined {
    return this.#pods.get(`${namespace}/${name}`)?.running;
  }

  /** Stops caring. Processes, cgroups and namespaces are the lab's to remove. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#unsubscribe();
    await Promise.allSettled([...this.#pods.values()].map((entry) => entry.starting));
  }

  #hear({ type, object }: StoreEvent): void {
    if (object.kind !== 'Pod') return;
    // Who deletes the object waits for nobody.
    if (type === 'DELETED') this.#stop(object, 0);
    else this.#sync(object);
  }

  #sync(pod: KubeObject): void {
    const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = pod.metadata;
    if (deletionTimestamp) this.#stop(pod, deletionGracePeriodSeconds);
    else if (podSpec(pod).nodeName && !this.#pods.has(keyOf(pod))) this.#start(pod);
  }

  #start(pod: KubeObject): void {
    const { onError } = this.#options;
    const node = this.#nodeOf(pod);
    if (!node) return;
    const entry: Entry = {
      uid: pod.metadata.uid,
      startTime: now(),
      starting: this.#startOn(node, pod),
    };
    this.#pods.set(keyOf(pod), entry);
    this.#run(pod, entry).catch((error: unknown) => {
      if (!this.#closed) onError(pod, error);
    });
  }

  async #startOn(node: LabNode, pod: KubeObject): Promise<LabPod> {
    const { store, directory, kubeconfig } = this.#options;
    const { enableServiceLinks = true } = podSpec(pod);
    const services = enableServiceLinks ? store.list('Service') : [];
    const environment = {
      KUBECONFIG: kubeconfig,
      ...serviceEnvironment(services, pod.metadata.namespace ?? 'default'),
      ...Object.fromEntries((containerOf(pod).env ?? []).map((e) => [e.name, e.value ?? ''])),
    };
    const resolvConf = this.#resolvConf(pod);
    return LabPod.start(pod, node, { directory, environment, resolvConf });
  }

  async #run(pod: KubeObject, entry: Entry): Promise<void> {
    const running = await entry.starting;
    entry.running = running;
    const report = (observed: Pick<Observed, 'phase' | 'ready' | 'exitCode'>) =>
      this.#report(pod, {
        ...observed,
        at: now(),
        addresses: running.addresses,
        host: running.node.addresses,
        startTime: entry.startTime,
      });
    let alive = true;
    const ended = running.ended.then((exitCode) => {
      alive = false;
      return exitCode;
    });
    const { readinessProbe } = containerOf(pod);
    const url = readinessUrl(containerOf(pod), running.addresses);
    const timeoutMs = (readinessProbe?.timeoutSeconds ?? 1) * 1000;
    let wasReady = false;
    report({ phase: 'Running', ready: url === undefined });
    while (url !== undefined && alive && !this.#closed) {
      const ready = await this.#options.probe(url, timeoutMs);
      if (!alive || this.#closed) break;
      wasReady ||= ready;
      report({ phase: 'Running', ready });
      const periodMs = wasReady ? (readinessProbe?.periodSeconds ?? 10) * 1000 : STARTING_PERIOD_MS;
      await Promise.race([sleep(periodMs, undefined, { ref: false }), ended]);
    }
    const exitCode = await ended;
    report({ phase: exitCode === 0 ? 'Succeeded' : 'Failed', ready: false, exitCode });
  }

  /** Ends a Pod; called again for one that is ending, within less time. */
  #stop(pod: KubeObject, graceSeconds: number): void {
    const entry = this.#pods.get(keyOf(pod));
    if (!entry) {
      if (this.#nodeOf(pod)) this.#removeObject(pod);
      return;
    }
    // Else it is the successor of one that is still ending: its turn comes in #end.
    if (entry.uid !== pod.metadata.uid) return;
    entry.starting.then(
      (running) => running.stop(graceSeconds),
      () => {},
    );
    if (entry.ending) return;
    entry.ending = this.#end(pod, entry);
    entry.ending.catch((error: unknown) => this.#options.onError(pod, error));
  }

  async #end(pod: KubeObject, entry: Entry): Promise<void> {
    // One that could not be started has nothing to end.
    const running = await entry.starting.catch(() => undefined);
    await running?.ended;
    if (this.#closed) return;
    await running?.remove();
    this.#pods.delete(keyOf(pod));
    this.#removeObject(pod);
    const { namespace = '', name } = pod.metadata;
    const successor = this.#options.store.get('Pod', namespace, name);
    if (successor) this.#sync(successor);
  }

  /** The object of `pod`, unless another Pod has its name by now. */
  #removeObject({ metadata: { namespace = '', name, uid } }: KubeObject): void {
    const present = this.#options.store.get('Pod', namespace, name);
    if (present?.metadata.uid === uid && present)
      this.#options.store.delete('Pod', namespace, name);
  }

  #nodeOf(pod: KubeObject): LabNode | undefined {
    return this.#options.nodes.find((each) => each.name === podSpec(pod).nodeName);
  }

  #report(pod: KubeObject, observed: Observed): void {
    if (this.#closed) return;
    const { namespace = '', name, uid } = pod.metadata;
    const present = this.#options.store.get('Pod', namespace, name);
    if (present?.metadata.uid !== uid || !present) return;
    this.#options.store.update({
      ...present,
      status: { ...podStatus(present), ...statusOf(present, observed) },
    });
  }

  /** By the pod's dnsPolicy; undefined is the node's own. */
  #resolvConf(pod: KubeObject): string | undefined {
    const { hostNetwork = false, dnsPolicy = 'ClusterFirst' } = podSpec(pod);
    if (dnsPolicy === 'Default' || (hostNetwork && dnsPolicy !== 'ClusterFirstWithHostNet')) {
      return undefined;
    }
    const service = this.#options.store.get('Service', DNS_SERVICE.namespace, DNS_SERVICE.name);
    const { clusterIP } = (service?.spec ?? {}) as { clusterIP?: string };
    const namespace = pod.metadata.namespace ?? 'default';
    return [
      `search ${namespace}.svc.cluster.local svc.cluster.local cluster.local`,
      ...(clusterIP ? [`nameserver ${clusterIP}`] : []),
      'options ndots:5',
      '',
    ].join('\n');
  }
}

function now(): string {
  return new Date().toISOString().replace(/\.\d+Z$/, 'Z');
}
