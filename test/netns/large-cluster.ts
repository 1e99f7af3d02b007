// SPDX-License-Identifier: Apache-2.0
// A cluster as large as a test wants it, in tables of its own whose programs serve a TestNode: the agent's reconciler in the
// test's process, so that nothing is measured but it and the kernel. Clients dial throughout, and what each may reach
// is known. Invariant: what it attaches is gone with the test.

import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { ExecutionContext } from 'ava';
import { ClusterState } from '../../agent/model/cluster-state.ts';
import type { ObjectKey } from '../../agent/model/objects.ts';
import type { TableSizes } from '../../agent/model/table-sizes.ts';
import { Reconciler } from '../../agent/reconcile/reconciler.ts';
import { Programs } from '../../agent/sys/datapath.ts';
import { service, slice } from '../helpers/objects.ts';
import { openRealTables, type RealTables } from '../helpers/real-tables.ts';
import { SILENT } from '../helpers/silent-observer.ts';
import { brokenLookups, leftOvers, lookAt } from '../helpers/table-view.ts';
import { targetAt } from './kube-service.ts';
import { type Attempt, SocketProbe, type Target } from './socket-probe.ts';
import type { TestNode } from './test-node.ts';

export type PortName = 'TCP' | 'UDP';

/** Targets that a probe takes at once. */
const MOST_TARGETS = 20;
/** Between attempts of those who dial throughout. */
const PAUSE_US = 1000;
const MIB = 1024 ** 2;

export class LargeCluster {
  readonly tables: RealTables;
  readonly reconciler: Reconciler;
  readonly cluster = new ClusterState();
  readonly #t: ExecutionContext;
  /** By address: every backend that it has had. */
  readonly #allowed = new Map<string, Set<string>>();
  /** While a pass lasts. */
  readonly #delay = monitorEventLoopDelay({ resolution: 1 });
  readonly #startedMs = performance.now();
  #attempts = 0;
  #failed = 0;

  /** @param node whose processes are served; undefined: nothing is attached. */
  constructor(t: ExecutionContext, node?: TestNode, sizes?: TableSizes) {
    this.#t = t;
    this.tables = openRealTables(t, sizes);
    this.reconciler = new Reconciler(this.cluster, this.tables, SILENT);
    if (!node) return;
    const programs = Programs.load(this.tables.pins);
    t.teardown(() => programs.close());
    programs.attach(node.cgroup);
  }

  /** A Service at `clusterIP`, port 80. */
  service(name: string, clusterIP: string, protocols: readonly PortName[]): void {
    const key: ObjectKey = `default/${name}`;
    const ports = protocols.map((protocol) => `${protocol}/${protocol}:80` as const);
    this.cluster.upsertService(key, { spec: service(key, [clusterIP], ports) });
  }

  /** A slice of its endpoints, in place of what this slice held. */
  slice(
    name: string,
    { at, number = 0 }: { readonly at: string; readonly number?: number },
    protocols: readonly PortName[],
    ips: readonly string[],
  ): void {
    const key: ObjectKey = `default/${name}-${number}`;
    const ports = protocols.map((protocol) => `${protocol}/${protocol}:8080` as const);
    this.cluster.upsertEndpointSlice(key, { spec: slice(key, name, ports, ips) });
    const allowed = this.#allowed.get(at) ?? new Set();
    this.#allowed.set(at, allowed);
    for (const ip of ips) allowed.add(targetAt(ip));
  }

  /** Writes what has changed. */
  async pass(): Promise<void> {
    this.#delay.enable();
    const { failures } = await this.reconciler.reconcileChanges();
    this.#delay.disable();
    this.#t.deepEqual(failures, []);
  }

  /** Dials these again and again. @returns ends it. */
  async dialThroughout(node: TestNode, targets: readonly Target[]): Promise<() => Promise<void>> {
    const probe = await SocketProbe.start(node);
    const attempts = probe.repeat(targets, { timeoutMs: 600_000, pauseUs: PAUSE_US });
    return async () => {
      probe.stop();
      this.check(targets, await attempts);
      probe.close();
    };
  }

  /** Dials each of these once, some at a time, or as often as `count` says all together. @returns where they landed. */
  async dialOnce(
    probe: SocketProbe,
    addresses: readonly string[],
    kind: Target['kind'],
    count?: number,
  ): Promise<readonly string[]> {
    const landed: string[] = [];
    for (let from = 0; from < addresses.length; from += MOST_TARGETS) {
      const some = addresses.slice(from, from + MOST_TARGETS);
      const targets = some.map((address): Target => ({ kind, address, port: 80 }));
      const attempts = await probe.repeat(targets, {
        count: count ?? targets.length,
        timeoutMs: 120_000,
      });
      this.check(targets, attempts);
      for (const attempt of attempts) landed.push(attempt.landed);
    }
    return landed;
  }

  /** Each attempt has reached a backend of what it dialled. */
  check(targets: readonly Target[], attempts: readonly Attempt[]): void {
    const wrong = attempts.filter(({ target, landed }) => {
      const { address = '' } = targets[target] ?? {};
      return !this.#allowed.get(address)?.has(landed);
    });
    this.#t.true(attempts.length > 0);
    this.#t.deepEqual(wrong.slice(0, 5), []);
    this.#attempts += attempts.length;
    this.#failed += wrong.length;
  }

  /** The tables hold what they must, and nothing else. */
  checkTables(): void {
    const view = lookAt(this.tables);
    this.#t.deepEqual(brokenLookups(view).slice(0, 5), []);
    this.#t.deepEqual(leftOvers(view).slice(0, 5), []);
  }

  /** What there is to report, with a note of what it takes. */
  figures() {
    const { frontends, members, sourceRanges, servicePorts, slots } = this.tables;
    const maps = [frontends, members, sourceRanges, servicePorts].map(({ raw }) => raw.fd);
    const bytes = [...maps, slots.array.fd].reduce((sum, fd) => sum + memoryOf(fd), 0);
    const seconds = (performance.now() - this.#startedMs) / 1000;
    const [p99, most] = [this.#delay.percentile(99), this.#delay.max].map((ns) => ns / 1e6);
    return {
      attempts: this.#attempts,
      failed: this.#failed,
      note: [
        `${seconds.toFixed(1)} s`,
        `${(bytes / MIB).toFixed(1)} MiB of tables`,
        `heap ${heapMib().toFixed(0)} MiB`,
        `turns of passes ${p99?.toFixed(1)} ms (p99), ${most?.toFixed(0)} ms at most`,
      ].join(', '),
    };
  }
}

/** As the kernel counts it (6.4 and later; before, what could be locked). */
function memoryOf(fd: number): number {
  const [, bytes = '0'] =
    /^memlock:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')) ?? [];
  return Number(bytes);
}

/** What is left of it after a collection. */
function heapMib(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed / MIB;
}
