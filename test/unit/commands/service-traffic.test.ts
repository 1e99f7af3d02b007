// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import { ServiceTraffic } from '../../../agent/commands/service-traffic.ts';
import { ActualTables } from '../../../agent/plan/actual-tables.ts';
import { NOTHING } from '../../../agent/telemetry/service-metrics.ts';

const MODULUS = 16_384;

/** Counters as the kernel has them, of which a test sets some. */
function setup() {
  const sums = new Uint32Array(MODULUS * 4);
  const actual = new ActualTables();
  const stop = new AbortController();
  const read = function* (end: number, size: number) {
    for (let first = 0; first < end; first += size)
      yield { first, sums: sums.slice(first * 4, (first + size) * 4) };
  };
  const cleared = new Set<number>();
  const traffic = new ServiceTraffic({ read, cleared }, () => actual, stop.signal);
  const name = (id: number) => ({
    id,
    servicePort: { service: 'default/web', portName: `p${id}`, protocol: 'TCP' } as const,
  });
  return {
    actual,
    stop,
    traffic,
    add: (id: number) => actual.recordServicePort(name(id)),
    remove: (id: number) => actual.recordServicePortGone(name(id)),
    clear: (counter: number) => {
      sums.fill(0, counter * 4, counter * 4 + 4);
      cleared.add(counter);
    },
    set: (counter: number, ...counts: number[]) => sums.set(counts, counter * 4),
  };
}

const traffic = (socket: number, refused = 0, packet = 0, dropped = 0) => ({
  connections: { socket, packet },
  refusals: { socket: refused, packet: dropped },
});

test('what was added since the last reading, by service port', async (t) => {
  const { add, set, traffic: it } = setup();
  for (const id of [1, 2, 3000]) add(id);
  set(1, 5, 1, 2, 3);
  set(3000, 7);
  const first = await it.read();
  t.deepEqual(
    [...first.servicePorts],
    [
      [1, traffic(5, 1, 2, 3)],
      [3000, traffic(7)],
    ],
  );
  t.deepEqual(first.rest, NOTHING);
  t.deepEqual(first.nameOf(1), {
    namespace: 'default',
    service: 'web',
    port: 'p1',
    protocol: 'TCP',
  });
  t.is(first.nameOf(9), undefined);
  t.is((await it.read()).servicePorts.size, 0);
  set(1, 6, 1, 2, 3);
  t.deepEqual([...(await it.read()).servicePorts], [[1, traffic(1)]]);
});

test('counters wrap around', async (t) => {
  const { add, set, traffic: it } = setup();
  add(1);
  set(1, 0xfffffff0);
  await it.read();
  set(1, 16);
  t.deepEqual([...(await it.read()).servicePorts], [[1, traffic(32)]]);
});

test('a counter that another has now begins at zero, also when the id has come again', async (t) => {
  const { add, remove, clear, set, traffic: it } = setup();
  add(1);
  set(1, 0xf0000000, 5);
  await it.read();
  for (const id of [1 + MODULUS, 1]) {
    remove(1);
    clear(1);
    add(id);
    set(1, 3);
    t.deepEqual([...(await it.read()).servicePorts], [[id, traffic(3)]]);
    remove(id);
  }
});

test('whoever shares a counter, and what is gone, is the rest', async (t) => {
  const { add, remove, set, traffic: it } = setup();
  for (const id of [1, 2, 2 + MODULUS, 5, MODULUS]) add(id);
  set(0, 1);
  set(2, 10);
  set(5, 100);
  const first = await it.read();
  t.deepEqual([...first.servicePorts], [[5, traffic(100)]]);
  t.deepEqual(first.rest, traffic(11));
  remove(5);
  add(6);
  set(5, 101);
  t.deepEqual((await it.read()).rest, traffic(1));
});

test('nothing is read any more when the tables may be closed', async (t) => {
  const { add, set, stop, traffic: it } = setup();
  for (let id = 1; id <= 5000; id++) add(id);
  set(4999, 1);
  const reading = it.read();
  stop.abort();
  t.is((await reading).servicePorts.size, 0);
});
