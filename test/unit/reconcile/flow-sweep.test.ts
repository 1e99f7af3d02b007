// SPDX-License-Identifier: Apache-2.0
// What a sweep takes from the kernel's flow table and what it leaves; that it rests; that no failure goes beyond it.

import { setImmediate as nextTurn } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { NO_SERVICE_PORT } from '../../../agent/plan/flow-life.ts';
import { countFlows, type SweptTables, sweepFlows } from '../../../agent/reconcile/flow-sweep.ts';
import { inSlices } from '../../../agent/reconcile/slices.ts';
import { FlowFlags, type FlowKey, MemberFlags } from '../../../agent/sys/layout.gen.ts';
import { ENOENT, KernelError } from '../../../agent/sys/libbpf/kernel-error.ts';
import { openPacketTables } from '../../../agent/sys/packet-tables.ts';
import { type FlowEntry, type FlowText, flowEntries, ipPort } from '../../helpers/flows.ts';
import { openRealTables } from '../../helpers/real-tables.ts';
import { requireRoot } from '../../helpers/requirements.ts';

const SECOND = 1_000_000_000n;
/** The machine may have started a minute ago: times in the table are made up, and so is the clock. */
const NOW = 1_000_000n * SECOND;
const { CONFIRMED, REQUEST_FIN, REPLY_FIN, RESET, FORWARDED } = FlowFlags;

const LEAVING = '10.244.1.9 53';
const STAYING = '10.244.1.7 53';

function open(t: ExecutionContext) {
  const { pins, members } = openRealTables(t);
  const tables = openPacketTables(pins);
  t.teardown(() => tables.close());
  const backend = ipPort(STAYING);
  t.deepEqual(
    members.put([[{ servicePortId: 1, backend }, { flags: MemberFlags.IN_CLUSTER }]]),
    [],
  );
  return { flows: tables.flows, members };
}

/** A connection of its own for each `client`, idle for so many seconds. */
function flow(client: number, idle: number, more: Partial<FlowText> = {}): FlowText {
  return {
    client: `192.0.2.9 ${client}`,
    dialled: '192.168.0.1 30053',
    backend: STAYING,
    servicePortId: 1,
    usedNs: NOW - BigInt(idle) * SECOND,
    ...more,
  };
}

/** Clients' ports whose entries are there, once for each entry. */
function ports(entries: Iterable<FlowEntry>): number[] {
  const all = [...entries].map(([key, { flags, destination }]) =>
    flags & FlowFlags.REQUEST ? key.source.port : destination.port,
  );
  return all.sort((a, b) => a - b);
}

const both = (...clients: number[]) => clients.flatMap((client) => [client, client]);

test('what is over goes, both halves of it', async (t) => {
  if (!requireRoot(t)) return;
  const tables = open(t);
  const udp = { protocol: 'UDP' } as const;
  const sctp = { protocol: 'SCTP' } as const;
  const written = [
    flow(10, 60),
    flow(11, 61),
    flow(12, 24 * 3600, { flags: CONFIRMED }),
    flow(13, 24 * 3600 + 1, { flags: CONFIRMED }),
    flow(14, 3600, { flags: CONFIRMED | REQUEST_FIN }),
    flow(15, 3601, { flags: CONFIRMED | REPLY_FIN }),
    flow(16, 10, { flags: CONFIRMED | REQUEST_FIN | REPLY_FIN }),
    flow(17, 121, { flags: CONFIRMED | RESET }),
    flow(20, 30, udp),
    flow(21, 31, udp),
    flow(22, 120, { ...udp, flags: CONFIRMED, seenAs: '192.168.0.1 61000' }),
    flow(23, 121, { ...udp, flags: CONFIRMED, seenAs: '192.168.0.1 61001' }),
    flow(30, 60, sctp),
    flow(31, 61, sctp),
    flow(32, 300, { ...sctp, flags: CONFIRMED }),
    flow(33, 301, { ...sctp, flags: CONFIRMED }),
    // Used after the clock was read.
    flow(40, -1),
  ];
  t.deepEqual(tables.flows.put(written.flatMap(flowEntries)), []);
  const stays = both(10, 12, 14, 16, 20, 22, 30, 32, 40);
  const counted = await inSlices(countFlows(tables, () => NOW));
  t.deepEqual([counted.entries, tables.flows.entries().length], [18, 34]);

  const { timeOver, backendGone, entries, flows, masqueradePortsInUse, problem } = await inSlices(
    sweepFlows(tables, () => NOW),
  );
  t.deepEqual(ports(tables.flows.entries()), stays);
  t.deepEqual([timeOver, backendGone, entries, problem], [16, 0, 18, undefined]);
  t.is(masqueradePortsInUse, 1);
  t.is(
    flows.reduce((sum, count) => sum + count.flows, 0),
    9,
  );
  t.deepEqual([counted.flows, counted.masqueradePortsInUse], [flows, masqueradePortsInUse]);
});

test('UDP goes with its backend, whatever else stays', async (t) => {
  if (!requireRoot(t)) return;
  const tables = open(t);
  const udp = { protocol: 'UDP', flags: CONFIRMED } as const;
  const written = [
    flow(10, 0, udp),
    flow(11, 0, { ...udp, backend: LEAVING }),
    flow(12, 0, { ...udp, backend: LEAVING, seenAs: '192.168.0.1 61000' }),
    // Of another service port, which never had that backend.
    flow(13, 0, { ...udp, servicePortId: 2 }),
    flow(14, 0, { backend: LEAVING, flags: CONFIRMED }),
    flow(15, 0, { protocol: 'SCTP', backend: LEAVING }),
    // What it is to the backend cannot be told from one half.
    flow(16, 0, { ...udp, backend: LEAVING, flags: FORWARDED, seenAs: '192.168.0.1 61001' }),
    // Straight to a pod: there is no Service to leave it.
    flow(17, 0, { ...udp, servicePortId: NO_SERVICE_PORT }),
  ];
  t.deepEqual(tables.flows.put(written.flatMap(flowEntries)), []);
  const { timeOver, backendGone, problem } = await inSlices(sweepFlows(tables, () => NOW));
  t.deepEqual(ports(tables.flows.entries()), both(10, 14, 15, 16, 17));
  t.deepEqual([timeOver, backendGone, problem], [0, 6, undefined]);
});

test('a half of a forwarded connection goes with its time', async (t) => {
  if (!requireRoot(t)) return;
  const tables = open(t);
  const written = [61, 60].map((idle, i) => flow(10 + i, idle, { flags: FORWARDED }));
  t.deepEqual(tables.flows.put(written.flatMap(flowEntries)), []);
  await inSlices(sweepFlows(tables, () => NOW));
  t.deepEqual(ports(tables.flows.entries()), both(11));
});

test('a large table is swept while others have their turns', async (t) => {
  if (!requireRoot(t)) return;
  const tables = open(t);
  const CONNECTIONS = 50_000;
  const entries = Array.from({ length: CONNECTIONS }, (_, i) =>
    flowEntries(flow(i, i % 2 ? 0 : 61, { client: `10.9.${i >> 8}.${i & 255} 40000` })),
  ).flat();
  t.deepEqual(tables.flows.put(entries), []);
  // An LRU keeps some entries aside for each CPU, and may have evicted a few.
  const before = tables.flows.entries().length;
  t.true(before > 90_000, `${before} entries`);

  let isOver = false;
  let turns = 0;
  const sweep = inSlices(sweepFlows(tables, () => NOW)).finally(() => {
    isOver = true;
  });
  while (!isOver) {
    await nextTurn();
    turns++;
  }
  const report = await sweep;
  t.is(report.problem, undefined);
  t.is(report.timeOver + report.entries, before);
  t.is(tables.flows.entries().length, report.entries);
  t.true(Math.abs(report.timeOver - before / 2) < before / 10, `${report.timeOver} of ${before}`);
  t.true(turns >= 5, `${turns} turns`);
});

test('between two pieces of it, a sweep has read and deleted at most a thousand', (t) => {
  const over = Array.from({ length: 3 }, (_, piece) =>
    Array.from({ length: 1000 }, (_, i) => flowEntries(flow(piece * 1000 + i, 61))[0]),
  );
  const log: string[] = [];
  const tables: SweptTables = {
    flows: {
      *batches(size) {
        for (const piece of over) {
          log.push(`read ${size}`);
          yield piece.map(([key, value]) => [key, value]);
        }
      },
      delete: (keys) => {
        log.push(`delete ${keys.length}`);
        return [];
      },
    },
    members: { get: () => undefined },
  };
  for (const _ of sweepFlows(tables, () => NOW)) log.push('rest');
  const piece = ['read 1000', 'delete 1000', 'rest'];
  t.deepEqual(log, [...piece, ...piece, ...piece]);
});

test('members are asked once for each backend of a piece', (t) => {
  const asked: number[] = [];
  const udp = Array.from({ length: 100 }, (_, i) =>
    flowEntries(flow(i, 0, { protocol: 'UDP', servicePortId: 1 + (i % 3) })),
  ).flat();
  const tables: SweptTables = {
    flows: { batches: () => [udp.map(([key, value]) => [key, value])], delete: () => [] },
    members: {
      get: ({ servicePortId }) => {
        asked.push(servicePortId);
        return servicePortId > 1 ? { flags: 0 } : undefined;
      },
    },
  };
  const sweep = sweepFlows(tables, () => NOW);
  sweep.next();
  const { value } = sweep.next();
  t.deepEqual(asked.sort(), [1, 2, 3]);
  t.like(value, { backendGone: 68, entries: 132 });
});

test('a refused delete is told, and the sweep goes on', (t) => {
  const pieces = [1, 2].map((piece) => [flowEntries(flow(piece, 61))[0]]);
  const deleted: FlowKey[] = [];
  const tables: SweptTables = {
    flows: {
      batches: () => pieces.map((piece) => piece.map(([key, value]) => [key, value])),
      delete: (keys) => {
        deleted.push(...keys);
        return [{ index: 0, error: new KernelError(`delete ${keys[0]?.source.port}`, ENOENT) }];
      },
    },
    members: { get: () => undefined },
  };
  const sweep = sweepFlows(tables, () => NOW);
  let last = sweep.next();
  while (!last.done) last = sweep.next();
  t.is(deleted.length, 2);
  t.regex(last.value.problem ?? '', /^cannot delete 1: ENOENT/);
});
