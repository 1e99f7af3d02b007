// SPDX-License-Identifier: Apache-2.0
// Who gets a frontend that several Services claim.

import test from 'ava';
import fc from 'fast-check';
import { FrontendClaims } from '../../../agent/model/frontend-claims.ts';
import type { ObjectKey } from '../../../agent/model/objects.ts';

const OLD = '2026-01-01T00:00:00Z';
const NEW = '2026-02-01T00:00:00Z';

test('the oldest owns it; the others take over in the order of their age', (t) => {
  const claims = new FrontendClaims();
  t.deepEqual(claims.update('a/new', NEW, ['F']), new Set());
  t.deepEqual(claims.update('a/old', OLD, ['F', 'G']), new Set<ObjectKey>(['a/new']));
  t.deepEqual(claims.update('a/never', undefined, ['F']), new Set());
  t.deepEqual(claims.conflicts, [{ frontend: 'F', owner: 'a/old', others: ['a/new', 'a/never'] }]);
  t.deepEqual(claims.update('a/old', OLD, ['G']), new Set<ObjectKey>(['a/new']));
  t.is(claims.owner('F'), 'a/new');
  t.deepEqual(claims.update('a/new', undefined, []), new Set<ObjectKey>(['a/never']));
  t.is(claims.owner('F'), 'a/never');
  t.deepEqual(claims.conflicts, []);
});

test('of one age, the first by name', (t) => {
  const claims = new FrontendClaims();
  claims.update('a/y', OLD, ['F']);
  claims.update('b/a', OLD, ['F']);
  t.is(claims.owner('F'), 'a/y');
  t.deepEqual(claims.update('a/x', OLD, ['F']), new Set<ObjectKey>(['a/y']));
});

test('a Service that was made anew has its new age', (t) => {
  const claims = new FrontendClaims();
  claims.update('a/x', '2025-01-01T00:00:00Z', ['F']);
  claims.update('a/y', OLD, ['F']);
  t.deepEqual(claims.update('a/x', NEW, ['F']), new Set<ObjectKey>(['a/y']));
  t.is(claims.owner('F'), 'a/y');
});

interface Update {
  readonly service: ObjectKey;
  readonly created: string | undefined;
  readonly frontends: readonly string[];
}

const FRONTENDS = ['F', 'G', 'H'];
const updates = fc.array(
  fc.record<Update>({
    service: fc.constantFrom<ObjectKey>('a/p', 'a/q', 'b/p', 'b/q'),
    created: fc.constantFrom(undefined, OLD, NEW),
    frontends: fc.subarray(FRONTENDS),
  }),
  { maxLength: 20 },
);

/** The rule itself: the last update of each Service decides, not their order. */
function expectedOwner(latest: ReadonlyMap<ObjectKey, Update>, frontend: string) {
  const age = ({ service, created }: Update) => `${created ?? '~'} ${service}`;
  return [...latest.values()]
    .filter(({ frontends }) => frontends.includes(frontend))
    .sort((a, b) => (age(a) < age(b) ? -1 : 1))
    .map(({ service }) => service);
}

test('after any updates the owner is the oldest, and who won or lost was told, nobody else', (t) => {
  fc.assert(
    fc.property(updates, (all) => {
      const claims = new FrontendClaims();
      const latest = new Map<ObjectKey, Update>();
      for (const update of all) {
        const before = FRONTENDS.map((frontend) => claims.owner(frontend));
        const affected = claims.update(update.service, update.created, update.frontends);
        latest.set(update.service, update);
        const orders = FRONTENDS.map((frontend) => expectedOwner(latest, frontend));
        const after = orders.map(([owner]) => owner);
        const changed = FRONTENDS.flatMap((_, i) =>
          before[i] === after[i] ? [] : [before[i], after[i]],
        );
        t.deepEqual(
          FRONTENDS.map((frontend) => claims.owner(frontend)),
          after,
        );
        t.deepEqual(
          [...affected].sort(),
          [...new Set(changed)].filter((s) => s !== undefined && s !== update.service).sort(),
        );
        t.deepEqual(
          [...claims.conflicts].sort((a, b) => (a.frontend < b.frontend ? -1 : 1)),
          FRONTENDS.flatMap((frontend, i) => {
            const [owner, ...others] = orders[i] ?? [];
            return owner && others.length ? [{ frontend, owner, others }] : [];
          }),
        );
      }
    }),
  );
});
