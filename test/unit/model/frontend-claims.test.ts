// SPDX-License-Identifier: Apache-2.0
// Who gets a frontend that several Services claim (semantics 1.6).

import test from 'ava';
import fc from 'fast-check';
import { type Claim, FrontendClaims } from '../../../agent/model/frontend-claims.ts';
import type { ObjectKey } from '../../../agent/model/objects.ts';
import { type FrontendKind, frontendKey } from '../../../agent/model/service-port.ts';
import { address, frontend } from '../../helpers/objects.ts';

const OLD = '2026-01-01T00:00:00Z';
const NEW = '2026-02-01T00:00:00Z';

const F = '10.96.0.1:80/TCP';
const G = '10.96.0.1:53/UDP';
const H = '[fd00::1]:80/TCP';

const claim = (dialled: string, kind: FrontendKind = 'clusterIP'): Claim => ({
  frontend: frontend(dialled),
  kind,
});

test('the oldest owns it; the others take over in the order of their age', (t) => {
  const claims = new FrontendClaims();
  t.deepEqual(claims.update('a/new', NEW, [claim(F)]), new Set());
  t.deepEqual(claims.update('a/old', OLD, [claim(F), claim(G)]), new Set<ObjectKey>(['a/new']));
  t.deepEqual(claims.update('a/never', undefined, [claim(F)]), new Set());
  t.deepEqual(claims.conflicts, [{ frontend: F, owner: 'a/old', others: ['a/new', 'a/never'] }]);
  t.deepEqual(claims.update('a/old', OLD, [claim(G)]), new Set<ObjectKey>(['a/new']));
  t.is(claims.owner(F), 'a/new');
  t.deepEqual(claims.update('a/new', undefined, []), new Set<ObjectKey>(['a/never']));
  t.is(claims.owner(F), 'a/never');
  t.deepEqual(claims.conflicts, []);
});

test('of one age, the first by name', (t) => {
  const claims = new FrontendClaims();
  claims.update('a/y', OLD, [claim(F)]);
  claims.update('b/a', OLD, [claim(F)]);
  t.is(claims.owner(F), 'a/y');
  t.deepEqual(claims.update('a/x', OLD, [claim(F)]), new Set<ObjectKey>(['a/y']));
});

test('a Service that was made anew has its new age', (t) => {
  const claims = new FrontendClaims();
  claims.update('a/x', '2025-01-01T00:00:00Z', [claim(F)]);
  claims.update('a/y', OLD, [claim(F)]);
  t.deepEqual(claims.update('a/x', NEW, [claim(F)]), new Set<ObjectKey>(['a/y']));
  t.is(claims.owner(F), 'a/y');
});

for (const kind of ['externalIP', 'loadBalancer'] as const) {
  test(`who only names an address, as ${kind}, does not take the clusterIP of a younger Service`, (t) => {
    const claims = new FrontendClaims();
    t.deepEqual(claims.update('a/thief', OLD, [claim(F, kind), claim(G, kind)]), new Set());
    t.deepEqual(claims.update('a/new', NEW, [claim(F)]), new Set<ObjectKey>(['a/thief']));
    t.is(claims.owner(F), 'a/new');
    t.is(claims.owner(G), 'a/thief');
    t.deepEqual(claims.conflicts, [{ frontend: F, owner: 'a/new', others: ['a/thief'] }]);
    // Not even one that was never created anywhere.
    t.deepEqual(claims.update('a/new', undefined, [claim(F)]), new Set());
    t.is(claims.owner(F), 'a/new');
  });
}

test('a Service that named an address and has it as its clusterIP now is as good as any', (t) => {
  const claims = new FrontendClaims();
  claims.update('a/old', OLD, [claim(F, 'externalIP')]);
  claims.update('a/new', NEW, [claim(F)]);
  t.deepEqual(claims.update('a/old', OLD, [claim(F)]), new Set<ObjectKey>(['a/new']));
  t.is(claims.owner(F), 'a/old');
  t.deepEqual(
    claims.update('a/old', OLD, [claim(F, 'loadBalancer')]),
    new Set<ObjectKey>(['a/new']),
  );
  t.is(claims.owner(F), 'a/new');
});

test('of those that only name an address, the oldest, whatever they call it', (t) => {
  const claims = new FrontendClaims();
  claims.update('a/new', NEW, [claim(F, 'externalIP')]);
  claims.update('a/old', OLD, [claim(F, 'loadBalancer')]);
  t.is(claims.owner(F), 'a/old');
});

test('what nobody dials is shared without a conflict: the next one takes it', (t) => {
  const claims = new FrontendClaims();
  const at = { address: address('192.0.2.7'), port: 0, protocol: 'any' } as const;
  const echo: Claim = { frontend: { ...at, scope: 'echo' }, kind: 'echo' };
  claims.update('a/old', OLD, [echo]);
  t.deepEqual(claims.update('a/new', NEW, [echo]), new Set());
  t.is(claims.owner('echo 192.0.2.7'), 'a/old');
  t.deepEqual(claims.conflicts, []);
  t.deepEqual(claims.update('a/old', OLD, []), new Set<ObjectKey>(['a/new']));
  t.is(claims.owner('echo 192.0.2.7'), 'a/new');
});

test('the frontends of one port at the node, of all ports and of one address are three', (t) => {
  const claims = new FrontendClaims();
  const at = frontend('0.0.0.0:80/TCP');
  claims.update('a/x', OLD, [{ frontend: at, kind: 'externalIP' }]);
  claims.update('a/y', NEW, [{ frontend: { ...at, scope: 'node' }, kind: 'nodePort' }]);
  claims.update('a/z', NEW, [
    { frontend: { ...at, scope: 'otherPorts', port: 0, protocol: 'any' }, kind: 'otherPorts' },
  ]);
  t.deepEqual(claims.conflicts, []);
  t.is(claims.owner('nodePort 0.0.0.0:80/TCP'), 'a/y');
  t.is(claims.owner('0.0.0.0:*'), 'a/z');
});

interface Update {
  readonly service: ObjectKey;
  readonly created: string | undefined;
  readonly claims: readonly Claim[];
}

const FRONTENDS = [F, G, H];
const KINDS = ['clusterIP', 'externalIP', 'loadBalancer', 'nodePort'] as const;
const claimsOf = fc
  .tuple(
    fc.subarray(FRONTENDS),
    fc.array(fc.constantFrom(...KINDS), { minLength: 3, maxLength: 3 }),
  )
  .map(([dialled, kinds]) => dialled.map((text, i) => claim(text, kinds[i] ?? 'clusterIP')));
const updates = fc.array(
  fc.record<Update>({
    service: fc.constantFrom<ObjectKey>('a/p', 'a/q', 'b/p', 'b/q'),
    created: fc.constantFrom(undefined, OLD, NEW),
    claims: claimsOf,
  }),
  { maxLength: 20 },
);

/** The rule itself: the last update of each Service decides, not their order. */
function expectedOwner(latest: ReadonlyMap<ObjectKey, Update>, dialled: string) {
  const rank = ({ service, created, claims }: Update) => {
    const kind = claims.find((one) => frontendKey(one.frontend) === dialled)?.kind;
    const isNamed = kind === 'externalIP' || kind === 'loadBalancer';
    return `${isNamed ? 'b' : 'a'} ${created ?? '~'} ${service}`;
  };
  return [...latest.values()]
    .filter(({ claims }) => claims.some((one) => frontendKey(one.frontend) === dialled))
    .sort((a, b) => (rank(a) < rank(b) ? -1 : 1))
    .map(({ service }) => service);
}

test('after any updates the owner is the first by the rule, and who won or lost was told, nobody else', (t) => {
  fc.assert(
    fc.property(updates, (all) => {
      const claims = new FrontendClaims();
      const latest = new Map<ObjectKey, Update>();
      for (const update of all) {
        const before = FRONTENDS.map((dialled) => claims.owner(dialled));
        const affected = claims.update(update.service, update.created, update.claims);
        latest.set(update.service, update);
        const orders = FRONTENDS.map((dialled) => expectedOwner(latest, dialled));
        const after = orders.map(([owner]) => owner);
        const changed = FRONTENDS.flatMap((_, i) =>
          before[i] === after[i] ? [] : [before[i], after[i]],
        );
        t.deepEqual(
          FRONTENDS.map((dialled) => claims.owner(dialled)),
          after,
        );
        t.deepEqual(
          [...affected].sort(),
          [...new Set(changed)].filter((s) => s !== undefined && s !== update.service).sort(),
        );
        t.deepEqual(
          [...claims.conflicts].sort(byFrontend),
          FRONTENDS.flatMap((dialled, i) => {
            const [owner, ...others] = orders[i] ?? [];
            return owner && others.length ? [{ frontend: dialled, owner, others }] : [];
          }).sort(byFrontend),
        );
      }
    }),
  );
});

function byFrontend(a: { readonly frontend: string }, b: { readonly frontend: string }): number {
  return a.frontend < b.frontend ? -1 : 1;
}
