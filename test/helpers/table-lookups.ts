// SPDX-License-Identifier: Apache-2.0
// The tables as `explain` looks things up in them: in the kernel's own by the kernel, in the double's by hand.

import { type LookupTables, lookupTables } from '../../agent/commands/explain-kernel.ts';
import { prefixContains } from '../../agent/model/address.ts';
import { prefixOfKey, sourceRangeOf } from '../../agent/reconcile/entries.ts';
import type { Tables } from '../../agent/sys/datapath.ts';
import { FakeTables } from './fake-tables.ts';

export function lookupsIn(tables: FakeTables | Tables): LookupTables {
  if (!(tables instanceof FakeTables)) return lookupTables(tables);
  return {
    ...tables,
    slots: { get: (index) => tables.slots.at(index) },
    sourceRanges: {
      get: ({ servicePortId, address }) =>
        tables.sourceRanges
          .entries()
          .find(
            ([key]) =>
              key.servicePortId === servicePortId && prefixContains(sourceRangeOf(key), address),
          )?.[1],
    },
    serviceCidrs: {
      get: ({ address }) =>
        tables.serviceCidrs
          .entries()
          .filter(([key]) => prefixContains(prefixOfKey(key), address))
          .sort(([a], [b]) => b.bits - a.bits)[0]?.[1],
    },
  };
}
