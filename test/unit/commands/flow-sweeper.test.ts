// SPDX-License-Identifier: Apache-2.0
// When the flow table is swept: soon after backends left, then every so often, never twice at once; and that
// nothing which fails reaches the agent.

import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { FlowSweeper } from '../../../agent/commands/flow-sweeper.ts';
import type { SweptTables } from '../../../agent/reconcile/flow-sweep.ts';
import { FlowFlags, type FlowKey } from '../../../agent/sys/layout.gen.ts';
import { openPacketTables } from '../../../agent/sys/packet-tables.ts';
import { flowEntries } from '../../helpers/flows.ts';
import { openRealTables } from '../../helpers/real-tables.ts';
import { requireRoot } from '../../helpers/requirements.ts';
import { until } from '../../lab/until.ts';
import { recordLog } from '../cluster/recorded-log.ts';

const FLOW = {
  client: '192.0.2.9 40000',
  dialled: '192.168.0.1 30053',
  backend: '10.244.1.7 53',
  servicePortId: 1,
  usedNs: 0n,
};

/** Tables of pieces without entries; `onPiece` sees each. */
function emptyPieces(pieces: number, onPiece: (piece: number) => void): SweptTables {
  return {
    flows: {
      *batches() {
        for (let piece = 0; piece < pieces; piece++) {
          onPiece(piece);
          yield [];
        }
      },
      delete: () => [],
    },
    members: { get: () => undefined },
  };
}

function start(t: ExecutionContext, tables: SweptTables, everyMs = 3_600_000) {
  const { log, lines } = recordLog();
  const stop = new AbortController();
  t.teardown(() => stop.abort());
  const sweeper = new FlowSweeper({ tables, log, signal: stop.signal, everyMs });
  return { sweeper, lines, stop };
}

test('nothing is swept before somebody asks; then again and again', async (t) => {
  let sweeps = 0;
  const { sweeper } = start(
    t,
    emptyPieces(1, () => sweeps++),
    1,
  );
  await sleep(200);
  t.deepEqual([sweeps, sweeper.last], [0, undefined]);
  sweeper.request();
  await until('several sweeps', () => sweeps >= 3);
  t.like(sweeper.last, { entries: 0, flows: [], timeOver: 0 });
});

test('many requests are few sweeps, never two at once, and the last is answered', async (t) => {
  let [sweeps, wanted, answered, at] = [0, 0, 0, 0];
  const tables = emptyPieces(3, (piece) => {
    if (piece === 0) {
      sweeps++;
      answered = wanted;
    }
    t.is(piece, at, 'pieces of two sweeps are mixed');
    at = (at + 1) % 3;
    // Longer than a slice, so that the sweep rests here.
    for (const until = performance.now() + 12; performance.now() < until; );
  });
  const { sweeper } = start(t, tables);
  for (; wanted < 40; await sleep(5)) {
    wanted++;
    sweeper.request();
  }
  await until('the last request is answered', () => answered === wanted);
  t.true(sweeps < wanted / 4, `${sweeps} sweeps`);
});

test('a stop ends a sweep where it is, and no other begins', async (t) => {
  const pieces: number[] = [];
  const { sweeper, stop } = start(
    t,
    emptyPieces(10, (piece) => {
      pieces.push(piece);
      for (const until = performance.now() + 12; performance.now() < until; );
      if (piece === 2) stop.abort();
    }),
    1,
  );
  sweeper.request();
  await until('the third piece', () => pieces.length >= 3);
  sweeper.request();
  await sleep(300);
  t.deepEqual(pieces, [0, 1, 2]);
  t.is(sweeper.last, undefined);
});

test('a failure is told once, until it is another or gone', async (t) => {
  const failures = ['worn', 'worn', 'worn', 'torn', undefined, 'worn', undefined];
  let sweeps = 0;
  const { sweeper, lines } = start(
    t,
    emptyPieces(1, () => {
      const failure = failures[sweeps++];
      if (failure) throw new Error(failure);
    }),
    1,
  );
  sweeper.request();
  await until('all failures', () => sweeps > failures.length);
  t.deepEqual(
    lines.map(({ level, problem }) => [level, problem]),
    ['worn', 'torn', 'worn'].map((problem) => [40, problem]),
  );
});

test('the kernel’s table is swept by the kernel’s clock', async (t) => {
  if (!requireRoot(t)) return;
  const { pins, members } = openRealTables(t);
  const tables = openPacketTables(pins);
  t.teardown(() => tables.close());
  const nowNs = process.hrtime.bigint();
  const udp = { ...FLOW, protocol: 'UDP' } as const;
  const entries = [
    { ...FLOW, usedNs: nowNs },
    { ...udp, usedNs: nowNs },
    {
      ...FLOW,
      usedNs: nowNs - 121n * 1_000_000_000n,
      client: '192.0.2.9 40001',
      flags: FlowFlags.RESET,
    },
  ].flatMap(flowEntries);
  t.deepEqual(tables.flows.put(entries), []);
  const { sweeper, lines } = start(t, { flows: tables.flows, members });
  sweeper.request();
  await until('the sweep', () => sweeper.last !== undefined);
  t.like(sweeper.last, { entries: 2, timeOver: 2, backendGone: 2, problem: undefined });
  t.deepEqual(sweeper.swept, { timeOver: 2, backendGone: 2 });
  const left = tables.flows.entries().map(([key]: [FlowKey, unknown]) => key.protocol);
  t.deepEqual(left, [6, 6]);
  t.deepEqual(lines, []);
});
