// SPDX-License-Identifier: Apache-2.0
// What strangers may write to the tables: anything at all, with names and numbers that the agent uses too, and others.
// For properties of audits and restarts.

import fc from 'fast-check';
import type { FrontendKind, FrontendScope } from '../../agent/sys/layout.gen.ts';
import type { FakeTables } from './fake-tables.ts';
import { address } from './objects.ts';

/** Hands write to so many slots at most. */
export const SLOTS = 24;

export interface Hand {
  /** For people. */
  readonly what: string;
  readonly on: (tables: FakeTables) => void;
}

/** What random-cluster.ts uses too, and something else. */
const ids = fc.constantFrom(1, 2, 3, 4, 9, 0xffffffff);
const frontendKeys = fc.record({
  address: fc.constantFrom('10.96.0.1', '10.96.0.2', 'fd00::1', '192.0.2.1').map(address),
  port: fc.constantFrom(80, 53),
  protocol: fc.constantFrom(6, 17, 132),
  scope: fc.constantFrom<FrontendScope[]>(0, 0, 1, 2, 3),
});
const backends = fc.record({
  address: fc.constantFrom('10.244.0.1', '10.244.0.2', 'fd01::1', '192.0.2.9').map(address),
  port: fc.constantFrom(8080, 53),
});
const runs = fc
  .tuple(fc.nat(SLOTS - 1), fc.nat(4))
  .map(([first, count]) => ({ first, count: Math.min(count, SLOTS - first) }));
const frontendValues = fc.record({
  servicePortId: ids,
  kind: fc.constantFrom(1, 2, 3, 4, 5, 6, 99).map((kind) => kind as FrontendKind),
  flags: fc.nat(63),
  affinityTimeoutSeconds: fc.constantFrom(0, 0, 10),
  inside: runs,
  outside: runs,
});
const sourceRanges = fc.record({
  bits: fc.constantFrom(32 + 96 + 8, 32 + 128),
  servicePortId: ids,
  address: fc.constantFrom('10.0.0.0', '192.0.0.0').map(address),
});
const names = fc.record({
  namespaceName: fc.constantFrom('a', 'b', 'c', ''),
  serviceName: fc.constantFrom('p', 'q', ''),
  portName: fc.constantFrom('http', 'dns', ''),
  protocol: fc.constantFrom(6, 17, 99),
});

/** @param on does it with what is drawn. */
function hand<T>(
  what: string,
  drawn: fc.Arbitrary<T>,
  on: (tables: FakeTables, value: T) => void,
): fc.Arbitrary<Hand> {
  return drawn.map((value) => ({
    what: `${what} ${JSON.stringify(value)}`,
    on: (tables) => on(tables, value),
  }));
}

export const hands: fc.Arbitrary<Hand> = fc.oneof(
  hand('writes a frontend', fc.tuple(frontendKeys, frontendValues), ({ frontends }, entry) =>
    frontends.put([entry]),
  ),
  hand('writes a source range', sourceRanges, (tables, key) =>
    tables.sourceRanges.put([[key, { present: 1 }]]),
  ),
  hand('deletes a source range', sourceRanges, (tables, key) => tables.sourceRanges.delete([key])),
  hand('deletes a frontend', frontendKeys, (tables, key) => tables.frontends.delete([key])),
  hand('names an id', fc.tuple(ids, names), (tables, entry) => tables.servicePorts.put([entry])),
  hand('deletes a name', ids, (tables, id) => tables.servicePorts.delete([id])),
  hand(
    'writes a member',
    fc.tuple(ids, backends, fc.constantFrom(0, 1, 7)),
    ({ members }, [servicePortId, backend, flags]) =>
      members.put([[{ servicePortId, backend }, { flags }]]),
  ),
  hand('deletes a member', fc.tuple(ids, backends), ({ members }, [servicePortId, backend]) =>
    members.delete([{ servicePortId, backend }]),
  ),
  hand('writes a slot', fc.tuple(fc.nat(SLOTS - 1), backends), (tables, entry) =>
    tables.slots.write([entry]),
  ),
);
