// SPDX-License-Identifier: Apache-2.0
// 200 EndpointSlices change every second, for CHURN_SECONDS, while the agent audits its tables all the time: every change
// arrives, nobody who connects to another Service notices, and the agent does not grow.

import { randomInt } from 'node:crypto';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import type { IpAddress } from '../../agent/model/address.ts';
import { openTables } from '../../agent/sys/datapath.ts';
import { type FrontendKey, FrontendScope } from '../../agent/sys/layout.gen.ts';
import { Pins } from '../../agent/sys/pins.ts';
import { faultTest } from '../faults/fault-test.ts';
import { gaugeEnv, type ProcessGauge, readGauge } from '../faults/process-gauge.ts';
import { until } from '../lab/until.ts';
import { kernelFrontends } from './kernel-backends.ts';
import { bothProtocols, endpointSlice, kubeService, targetAt } from './kube-service.ts';
import { type NodeApiServer, serveApi } from './node-api-server.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { SocketProbe, type Target } from './socket-probe.ts';
import { startBackends } from './start-backends.ts';

const SECONDS = Number(process.env.CHURN_SECONDS ?? 8);
const PER_SECOND = 200;
const TICK_MS = 50;
const SERVICES = 200;
/** Between two Services of which it is measured how long they take; they count among the others. */
const MARKED_MS = 100;
const WITHIN_MS = 60_000;
/** A heap is never quite the same. */
const SLACK_BYTES = 4e6;

const WEB = '10.96.0.1';
const WEB_BACKEND = '10.244.1.1';
const TARGETS: readonly Target[] = (['tcp', 'udp', 'sendto'] as const).map((kind) => ({
  kind,
  address: WEB,
  port: 80,
}));

let api: NodeApiServer | undefined;
let gaugeFile = '';

const node = nodeForFile(test, async (made) => {
  await startBackends(made);
  api = await serveApi(made);
  for (const object of kubeService('web', [WEB], bothProtocols(80, [WEB_BACKEND]))) {
    api.store.create(object);
  }
  for (let i = 0; i < SERVICES; i++) {
    const [service, slice] = kubeService(nameOf(i), [addressOf(i)], [portTo(someBackends())]);
    if (service) api.store.create(service);
    if (slice) api.store.create(slice);
  }
  gaugeFile = path.join(made.directory, 'gauge.json');
  made.agent.env = gaugeEnv(gaugeFile);
  made.agent.flags = ['--config-sync-period', '1s'];
  await made.agent.start(api.flags);
});

test.after.always(() => api?.close());

const nameOf = (index: number) => `churn-${index}`;
const addressOf = (index: number) => `10.96.1.${index + 1}`;
const portTo = (backends: readonly string[]) => ({ protocol: 'TCP', port: 80, backends }) as const;

/** 1 to 10 of 2,500. */
function someBackends(): string[] {
  const count = randomInt(1, 11);
  const all = Array.from(
    { length: count },
    () => `10.244.${16 + randomInt(10)}.${1 + randomInt(250)}`,
  );
  return [...new Set(all)];
}

/** Changes Services at random; each has the backends that it was given last. */
class Churn {
  readonly wanted = new Map<string, readonly string[]>();
  /** From telling the API server to seeing it in the kernel. */
  readonly lagsMs: number[] = [];
  changes = 0;
  #isOver = false;

  async run(seconds: number): Promise<void> {
    const begunMs = performance.now();
    const marking = this.#mark();
    const count = seconds * PER_SECOND;
    const before = this.changes;
    while (this.changes - before < count) {
      const dueMs = performance.now() - begunMs;
      while (this.changes - before < Math.min(count, (dueMs / 1000) * PER_SECOND)) {
        // The first is for marking.
        this.#change(1 + randomInt(SERVICES - 1));
      }
      await sleep(TICK_MS);
    }
    this.#isOver = true;
    await marking;
  }

  #change(index: number): void {
    const backends = someBackends();
    this.changes++;
    this.wanted.set(addressOf(index), backends);
    api?.store.apply(endpointSlice(nameOf(index), 'IPv4', portTo(backends)));
  }

  async #mark(): Promise<void> {
    while (!this.#isOver) {
      const sinceMs = performance.now();
      this.#change(0);
      const address = addressOf(0);
      const wanted = namesOf(this.wanted.get(address));
      await until('a change is programmed', () => backendsOf(address) === wanted, WITHIN_MS);
      this.lagsMs.push(performance.now() - sinceMs);
      await sleep(MARKED_MS);
    }
    this.#isOver = false;
  }
}

function namesOf(addresses: readonly string[] = []): string {
  return addresses.map(targetAt).sort().join();
}

/** Of one Service alone, which is quickly read. */
function backendsOf(address: string): string {
  const tables = openTables(new Pins(node().bpffs));
  try {
    const key: FrontendKey = {
      address: address as IpAddress,
      port: 80,
      protocol: 6,
      scope: FrontendScope.AT_ADDRESS,
    };
    const { first, count } = tables.frontends.get(key)?.inside ?? { first: 0, count: 0 };
    return tables.slots
      .read(first, count)
      .map((slot) => `${slot.address}:${slot.port}`)
      .sort()
      .join();
  } finally {
    tables.close();
  }
}

faultTest(test, 'churn-200', async (t, report) => {
  if (!canMakeNodes(t)) return;
  const probe = await SocketProbe.start(node());
  const dialling = probe.repeat(TARGETS, { timeoutMs: SECONDS * 3000 + 120_000, pauseUs: 5000 });
  const churn = new Churn();
  const gauges: ProcessGauge[] = [];
  const { pid = 0 } = node().agent;
  for (let quarter = 0; quarter < 4; quarter++) {
    await churn.run(SECONDS / 4);
    // Slots cool for two seconds: without them it is the same each time.
    await sleep(2500);
    const gauge = await readGauge(pid, gaugeFile);
    gauges.push(gauge);
    t.log(gauge);
  }
  await until(
    'every change has arrived',
    () => {
      const held = kernelFrontends(node());
      return [...churn.wanted].every(
        ([address, backends]) =>
          held.get(`${address}:80/TCP`)?.backends.join() === namesOf(backends),
      );
    },
    WITHIN_MS,
  );
  probe.stop();
  const attempts = await dialling;
  const failed = attempts.filter(({ landed }) => landed !== targetAt(WEB_BACKEND));
  const [, half, , end] = gauges as [ProcessGauge, ProcessGauge, ProcessGauge, ProcessGauge];
  const most = (of: (gauge: ProcessGauge) => number) => Math.max(...gauges.map(of));
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
  report({
    injections: churn.changes,
    attempts: attempts.length,
    failed: failed.length,
    note: [
      `${SECONDS} s`,
      `lag p50 ${Math.round(percentile(churn.lagsMs, 50))} ms, p99 ${Math.round(percentile(churn.lagsMs, 99))} ms`,
      `event loop p99 ${most(({ delayP99Ms }) => delayP99Ms).toFixed(1)} ms late`,
      `heap ${megabytes(half.heapBytes)} MB at half time, ${megabytes(end.heapBytes)} at the end`,
      `RSS ${megabytes(end.rssBytes)} MB`,
    ].join('; '),
  });
  t.deepEqual(failed.slice(0, 5), []);
  t.true(attempts.length > 0);
  t.true(churn.changes >= SECONDS * PER_SECOND);
  t.true(end.heapBytes < half.heapBytes * 1.1 + SLACK_BYTES, JSON.stringify(gauges));
  // What it writes itself an audit beside it never takes for somebody else's.
  const mended = node().agent.log.filter(({ repairs }) => repairs !== undefined);
  t.deepEqual(mended, []);
});

/** Of times that were measured, in any order. */
function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * share) / 100))] ?? 0;
}
