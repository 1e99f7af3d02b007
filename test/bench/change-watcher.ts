// SPDX-License-Identifier: Apache-2.0
// A process that looks into the kernel's tables, again and again, until what it was told to watch has
// changed. Apart from the benchmark's, because that one is the API server too, which must not wait.

import { openTables } from '../../agent/sys/datapath.ts';
import type { FrontendKey } from '../../agent/sys/layout.gen.ts';
import { Pins } from '../../agent/sys/pins.ts';
import { answerCalls } from '../lab/rpc.ts';

/** Between two looks: with none at all it would take a CPU from the agent. */
const PAUSE_MS = 0.02;
const GIVE_UP_NS = 5_000_000_000n;

const never = new Int32Array(new SharedArrayBuffer(4));
const tables = openTables(new Pins(process.argv[2] ?? ''));

const methods = {
  /** The first slot of a frontend's run for clients inside; a run that is published is never the one before. */
  firstSlot: ({ frontend }: { readonly frontend: FrontendKey }): number => firstSlotOf(frontend),

  /** Waits until the frontend has another run than the one that begins at `firstSlot`. */
  awaitChange({ frontend, firstSlot }: Watched): Seen {
    const begunNs = process.hrtime.bigint();
    let lastOldNs = begunNs;
    for (;;) {
      const first = firstSlotOf(frontend);
      const nowNs = process.hrtime.bigint();
      if (first !== firstSlot) return { atNs: String(nowNs), sinceNs: Number(nowNs - lastOldNs) };
      if (nowNs - begunNs > GIVE_UP_NS) throw new Error('no change within 5 s');
      lastOldNs = nowNs;
      Atomics.wait(never, 0, 0, PAUSE_MS);
    }
  },
};

interface Watched {
  readonly frontend: FrontendKey;
  readonly firstSlot: number;
}

interface Seen {
  /** CLOCK_MONOTONIC, as process.hrtime of every process has it. */
  readonly atNs: string;
  /** Since the look before, which did not see it yet: how exact `atNs` is. */
  readonly sinceNs: number;
}

export type ChangeWatcherMethods = typeof methods;

answerCalls(methods);

function firstSlotOf(frontend: FrontendKey): number {
  const value = tables.frontends.get(frontend);
  if (!value) throw new Error(`${frontend.address} is not in the tables`);
  return value.inside.first;
}
