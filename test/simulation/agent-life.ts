// SPDX-License-Identifier: Apache-2.0
// One life of an agent in a simulation: its reflectors, its view of the cluster and of the node, and its loop, all as
// they are in the product; from its start until it ends or is killed. Used by world.ts.

import { pino } from 'pino';
import { createReflector, type Reflector } from '../../agent/cluster/reflector.ts';
import { watchedResources } from '../../agent/cluster/watched-resources.ts';
import { AgentNode } from '../../agent/commands/agent-node.ts';
import { messageOf } from '../../agent/errors.ts';
import { ClusterState } from '../../agent/model/cluster-state.ts';
import { runLoop } from '../../agent/reconcile/loop.ts';
import { Reconciler } from '../../agent/reconcile/reconciler.ts';
import { Wakeup } from '../../agent/reconcile/wakeup.ts';
import { KernelError } from '../../agent/sys/libbpf/kernel-error.ts';
import { Killed } from '../helpers/fake-tables.ts';
import { address } from '../helpers/objects.ts';
import { walkThrough } from './api-walk.ts';
import type { Chance } from './chance.ts';
import { type KnownState, stateOf } from './expected-tables.ts';
import type { SimulatedApi } from './simulated-api.ts';
import type { SimulatedKernel } from './simulated-kernel.ts';
import type { VirtualTime } from './virtual-time.ts';

export const NODE_NAME = 'a';
const NETNS_COOKIE = 7n;
const LOCAL_ADDRESSES = ['10.1.1.1', '10.1.1.2', '172.16.0.1', 'fd00::9', '127.0.0.1'];
/** Often: what may happen before, after and in the middle of one is to happen. */
const AUDIT_EVERY_MS = 5_000;
const LONGEST_RETRY_MS = 30_000;

const SILENT_LOG = pino({ level: 'silent' });

/** Told of what the agent does. */
export interface LifeObserver {
  /** The cluster's state has changed. */
  told(): void;
  /** It takes up what it knows by now. */
  begun(): void;
  /** What it took up it has done with. */
  done(): void;
  audited(): void;
  /** What must not be. */
  problem(problem: string): void;
}

export class AgentLife {
  readonly cluster: ClusterState;
  reconciler: Reconciler | undefined;
  /** Why the tables cannot be read, as it is told. */
  problem: string | undefined;
  /** When all of its loop has come to its end. */
  readonly ended: Promise<void>;
  readonly #node: AgentNode;
  readonly #reflectors: readonly Reflector[];
  readonly #changed = new Wakeup();
  readonly #controller = new AbortController();
  readonly #observer: LifeObserver;

  constructor(
    api: SimulatedApi,
    kernel: SimulatedKernel,
    time: VirtualTime,
    chance: Chance,
    observer: LifeObserver,
  ) {
    this.#observer = observer;
    this.cluster = new ClusterState(() => this.#heard());
    const config = {
      nodeName: NODE_NAME,
      nodeIPs: [],
      clusterCIDRs: [],
      serviceCIDRs: [],
      nodePortAddresses: 'primary',
      masqueradeAll: false,
      masqueradePorts: { first: 40000, count: 1000 },
    } as const;
    this.#node = new AgentNode(config, this.cluster, NETNS_COOKIE);
    this.#node.setLocalAddresses(LOCAL_ADDRESSES.map(address));
    const resources = watchedResources(NODE_NAME);
    const timing = {
      random: chance,
      now: () => time.nowMs,
      pause: (ms: number, signal: AbortSignal) => time.pause(ms, signal),
      graceMs: 30_000,
      shortWatchMs: 1_000,
      steadyMs: 10_000,
      quietMs: 90_000,
    };
    this.#reflectors = resources.map((resource) =>
      createReflector({ resource, client: api, log: SILENT_LOG, timing }),
    );
    const sink = walkThrough(api.history, resources, this.cluster, (problem) =>
      observer.problem(problem),
    );
    this.ended = this.#live(kernel);
    const { signal } = this.#controller;
    for (const reflector of this.#reflectors) {
      reflector.run(sink, signal).catch((error: unknown) => {
        observer.problem(`a reflector has ended: ${messageOf(error)}`);
      });
    }
  }

  /** What it knows now. */
  get state(): KnownState {
    return stateOf(this.cluster, this.#node.view);
  }

  /** Something that it was told of is still to be taken up. */
  get isDirty(): boolean {
    return this.cluster.hasDirty;
  }

  /** Kinds that are not followed now. */
  get deaf(): string[] {
    return this.#reflectors
      .filter(({ state }) => state.phase !== 'watching')
      .map(({ state }) => state.kind);
  }

  /** Told to end, or there no more. */
  end(): void {
    this.#controller.abort();
  }

  #heard(): void {
    this.#observer.told();
    this.#changed.ring();
  }

  async #live(kernel: SimulatedKernel): Promise<void> {
    try {
      await this.#run(kernel);
    } catch (error) {
      // Who cannot read the tables at its start ends, and is started again.
      const isRefused = !this.reconciler && error instanceof KernelError;
      if (!isRefused && !(error instanceof Killed)) {
        const stack = error instanceof Error ? error.stack : '';
        this.#observer.problem(`the agent has ended by itself: ${messageOf(error)}\n${stack}`);
      }
    }
    this.end();
  }

  async #run(kernel: SimulatedKernel): Promise<void> {
    this.#node.resume(kernel.tables);
    this.reconciler = new Reconciler(
      this.cluster,
      kernel.tables,
      { passed() {}, audited: () => this.#observer.audited() },
      () => this.#node.view,
      LONGEST_RETRY_MS,
    );
    await runLoop({
      cluster: this.cluster,
      reconciler: this.reconciler,
      changed: this.#changed,
      auditEveryMs: AUDIT_EVERY_MS,
      longestRetryMs: LONGEST_RETRY_MS,
      onComplete: async () => {},
      progress: { begun: () => this.#observer.begun(), ended: () => this.#observer.done() },
      onRefused: (message) => {
        this.problem = message;
      },
      signal: this.#controller.signal,
    });
  }
}
