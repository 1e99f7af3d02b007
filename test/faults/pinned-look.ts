// SPDX-License-Identifier: Apache-2.0
// What the pinned tables of a node say, read as they are: openTables() mends what it reads. For the moment behind a death,
// when nobody writes.

import { networkHash } from '../../agent/model/address.ts';
import { KernelMap } from '../../agent/sys/kernel-map.ts';
import { MAPS } from '../../agent/sys/layout.gen.ts';
import { RawMap } from '../../agent/sys/libbpf/map.ts';
import { Pins } from '../../agent/sys/pins.ts';
import { SlotArray } from '../../agent/sys/slot-array.ts';
import { brokenLookups, type DialledText, frontendRows, type View } from '../helpers/table-view.ts';

export interface PinnedLook {
  readonly view: View;
  /** But for those of the agent's self-test. */
  readonly rows: ReadonlyMap<DialledText, string>;
  /** What must not be, between any two writes; one line each. */
  readonly broken: readonly string[];
  /** Slots that there are. */
  readonly capacity: number;
}

/** What the self-test dials (agent/reconcile/self-test.ts). */
const OF_SELF_TEST = /192\.0\.0\.8|100::8/;

/** @throws KernelError (ENOENT) where not all tables are pinned. */
export function lookAtPins(bpffs: string): PinnedLook {
  const pins = new Pins(bpffs);
  const opened: { close(): void }[] = [];
  const open = <T extends { close(): void }>(one: T): T => {
    opened.push(one);
    return one;
  };
  const raw = (spec: Parameters<Pins['map']>[0]) => RawMap.openPin(pins.map(spec));
  try {
    const slots = open(SlotArray.open(raw(MAPS.slots)));
    const networks = open(new KernelMap(raw(MAPS.servedNetworks), MAPS.servedNetworks)).entries();
    const frontends = open(new KernelMap(raw(MAPS.frontends), MAPS.frontends)).entries();
    const members = open(new KernelMap(raw(MAPS.members), MAPS.members)).entries();
    const ranges = open(new KernelMap(raw(MAPS.sourceRanges), MAPS.sourceRanges)).entries();
    const names = open(new KernelMap(raw(MAPS.servicePorts), MAPS.servicePorts)).entries();
    const backends = slots.read();
    const view: View = {
      frontends: { entries: () => frontends },
      members: { entries: () => members },
      sourceRanges: { entries: () => ranges },
      servicePorts: { entries: () => names },
      slots: { read: () => backends },
    };
    const words = new Map(networks.map(([word, { bits }]) => [word, bits]));
    const unserved = frontends.filter(([{ address }]) => !isServed(networkHash(address), words));
    return {
      view,
      rows: new Map([...frontendRows(view)].filter(([dialled]) => !OF_SELF_TEST.test(dialled))),
      broken: [
        ...brokenLookups(view),
        ...unserved.map(([{ address }]) => `${address} is in no network that is looked up`),
      ],
      capacity: slots.capacity,
    };
  } finally {
    for (const one of opened) one.close();
  }
}

const WORD_BITS = 64;
const HASH_BITS = 32 - Math.log2(MAPS.servedNetworks.maxEntries * WORD_BITS);

function isServed(hash: number, words: ReadonlyMap<number, bigint>): boolean {
  const bit = hash >>> HASH_BITS;
  const bits = words.get(Math.floor(bit / WORD_BITS)) ?? 0n;
  return ((bits >> BigInt(bit % WORD_BITS)) & 1n) === 1n;
}
