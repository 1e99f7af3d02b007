// SPDX-License-Identifier: Apache-2.0
// Which endpoints of a service port may serve on a node, and why the others may not (semantics 1.4, 1.5).

import test from 'ava';
import fc from 'fast-check';
import { formatEndpoint } from '../../../agent/model/address.ts';
import {
  type Candidate,
  candidates,
  excludedFrom,
  type NodeTraits,
  select,
  type TopologyMode,
} from '../../../agent/model/endpoint-selection.ts';
import type { EndpointSliceSpec } from '../../../agent/model/objects.ts';
import { slice } from '../../helpers/objects.ts';

const NODE: NodeTraits = { name: 'node-1', zone: 'zone-a', nodeIPs: [] };
const NO_ZONE: NodeTraits = { ...NODE, zone: '' };
const PORT = { name: 'http', protocol: 'TCP' } as const;

/** A slice for each list of endpoints. */
const slicesOf = (...all: readonly (readonly string[])[]): EndpointSliceSpec[] =>
  all.map((of, i) => slice(`a/web-${i}`, 'web', ['http/TCP:80'], of));
const found = (...all: readonly (readonly string[])[]) =>
  candidates(slicesOf(...all), 'IPv4', PORT);
const addresses = (list: readonly Candidate[]) =>
  list.map(({ backend }) => backend.address).join(' ');

const A = '10.1.0.1';
const B = '10.1.0.2';
const C = '10.1.0.3';

const selects = test.macro({
  exec(
    t,
    endpoints: readonly string[],
    [topology, cluster, local]: readonly [TopologyMode, string, string],
    node: NodeTraits = NODE,
  ) {
    const selection = select(found(endpoints).found, node);
    t.is(selection.topology, topology);
    t.is(addresses(selection.cluster), cluster);
    t.is(addresses(selection.local), local);
    t.is(selection.hasAny, cluster !== '');
    t.is(selection.usable.length > 0, selection.hasAny);
  },
  title: (_, endpoints: readonly string[], expected: readonly string[], node: NodeTraits = NODE) =>
    `of ${endpoints.join(', ') || 'none'}${node === NODE ? '' : ' without a zone'}: ${expected.join('; ')}`,
});

test(selects, [], ['none', '', '']);
test(selects, [A, B], ['none', `${A} ${B}`, '']);
test(selects, [`${A} on:node-1`, `${B} on:node-2`, C], ['none', `${A} ${B} ${C}`, A]);

// What is not ready serves only when nothing is, and only while it terminates (semantics 1.5, 2).
test(selects, [A, `${B} unready`], ['none', A, '']);
test(selects, [`${A} unready`, `${B} serving`], ['none', '', '']);
test(selects, [A, `${B} terminating serving`], ['none', A, '']);
test(selects, [`${A} unready`, `${B} terminating serving`], ['none', B, '']);
test(selects, [`${A} terminating`, `${B} terminating serving`], ['none', B, '']);
test(selects, [`${A} terminating`, `${B} terminating`], ['none', '', '']);
// publishNotReadyAddresses makes an endpoint ready until it is gone.
test(selects, [`${A} ready terminating on:node-1`, B], ['none', `${A} ${B}`, A]);

// The two fall-backs do not depend on each other (semantics 1.5, 4).
test(selects, [`${A} terminating serving on:node-1`, B], ['none', B, A]);
test(
  selects,
  [`${A} terminating serving on:node-1`, `${B} terminating serving on:node-2`],
  ['none', `${A} ${B}`, A],
);
test(selects, [`${A} on:node-1`, `${B} terminating serving on:node-1`], ['none', A, A]);
test(selects, [`${A} terminating on:node-1`, B], ['none', B, '']);

// Zones: every ready endpoint has a hint, and one names the node's.
test(selects, [`${A} for:zone-a`, `${B} for:zone-b`], ['zone', A, '']);
test(selects, [`${A} for:zone-a`, B], ['none', `${A} ${B}`, '']);
test(selects, [`${A} for:zone-b`, `${B} for:zone-c`], ['none', `${A} ${B}`, '']);
test(selects, [`${A} for:zone-a`, `${B} for:zone-b`], ['none', `${A} ${B}`, ''], NO_ZONE);
test(selects, [`${A} for:zone-a`, `${B} unready`], ['zone', A, '']);
test(selects, [`${A} for:zone-b`, `${B} unready for:zone-a`], ['none', A, '']);
test(selects, [`${A} for:zone-b terminating serving`], ['none', A, '']);

// Nodes, before zones.
test(selects, [`${A} at:node-1 for:zone-a`, `${B} at:node-2 for:zone-a`], ['node', A, '']);
test(selects, [`${A} at:node-2 for:zone-a`, `${B} at:node-3 for:zone-b`], ['zone', A, '']);
test(selects, [`${A} at:node-1 for:zone-b`, `${B} for:zone-a`], ['zone', B, '']);
test(selects, [`${A} at:node-2`, `${B} at:node-3`], ['none', `${A} ${B}`, '']);
test(selects, [`${A} at:node-1`, `${B} at:node-2`], ['node', A, ''], NO_ZONE);

// Hints never narrow the local list (semantics 1.5, 3).
test(selects, [`${A} on:node-1 for:zone-b`, `${B} on:node-2 for:zone-a`], ['zone', B, A]);

const weighted = (weight: number, ...endpoints: readonly string[]): EndpointSliceSpec => ({
  ...slice(`a/web-${weight}`, 'web', ['http/TCP:80'], endpoints),
  weight,
});

test('what has no weight serves only where nothing else of its list does', (t) => {
  const slices = [
    weighted(0, `${A} on:node-1`, '10.1.0.4 on:node-2 terminating serving'),
    weighted(5, `${B} on:node-2`, `${C} on:node-2 unready`),
  ];
  const all = candidates(slices, 'IPv4', PORT);
  const selection = select(all.found, NODE);
  t.is(addresses(selection.cluster), B);
  t.is(addresses(selection.local), A);
  t.deepEqual(
    excludedFrom('cluster', all, selection, NODE).map(({ exclusion }) => exclusion),
    ['weight 0', 'not ready', 'terminating'],
  );
});

test('nor does it as a last resort, nor against hints', (t) => {
  const why = (...slices: EndpointSliceSpec[]) => {
    const all = candidates(slices, 'IPv4', PORT);
    const selection = select(all.found, NODE);
    const left = excludedFrom('cluster', all, selection, NODE);
    return [addresses(selection.cluster), ...left.map(({ exclusion }) => exclusion)];
  };
  const ending = ' terminating serving';
  t.deepEqual(why(weighted(0, A + ending), weighted(1, B + ending)), [B, 'weight 0']);
  t.deepEqual(
    why(weighted(0, `${A} for:zone-a`), weighted(1, `${B} for:zone-a`, `${C} for:zone-b`)),
    [B, 'weight 0', 'hinted to other zones'],
  );
  t.deepEqual(why(weighted(0, A, B)), [`${A} ${B}`]);
});

test('of two weights for one address the same counts, in whatever order', (t) => {
  const slices = [weighted(3, A), weighted(7, A)];
  const weights = [slices, slices.toReversed()].map((all) =>
    candidates(all, 'IPv4', PORT).found.map(({ weight }) => weight),
  );
  t.deepEqual(weights, [[3], [3]]);
});

test('a node without a name has nothing that is local', (t) => {
  const nowhere: NodeTraits = { name: '', zone: '', nodeIPs: [] };
  const { local, cluster, topology } = select(found([A, `${B} on:node-1`]).found, nowhere);
  t.deepEqual([addresses(local), addresses(cluster), topology], ['', `${A} ${B}`, 'none']);
});

const excludes = test.macro({
  exec(t, endpoints: readonly string[], cluster: readonly string[], local: readonly string[]) {
    const all = found(endpoints);
    const selection = select(all.found, NODE);
    const why = (list: 'cluster' | 'local') =>
      excludedFrom(list, all, selection, NODE).map(
        ({ candidate, exclusion }) => `${candidate.backend.address} ${exclusion}`,
      );
    t.deepEqual(why('cluster'), cluster);
    t.deepEqual(why('local'), local);
  },
  title: (_, endpoints: readonly string[]) => `why not, of ${endpoints.join(', ')}`,
});

const ELSEWHERE = 'on another node';
test(excludes, [`${A} on:node-1`, B], [], [`${B} ${ELSEWHERE}`]);
test(
  excludes,
  [A, `${B} unready on:node-1`, `${C} serving`],
  [`${B} not ready`, `${C} not ready`],
  [`${A} ${ELSEWHERE}`, `${B} not ready`, `${C} ${ELSEWHERE}`],
);
test(
  excludes,
  [A, `${B} terminating on:node-1`, `${C} terminating serving on:node-1`],
  [`${B} not serving`, `${C} terminating`],
  [`${A} ${ELSEWHERE}`, `${B} not serving`],
);
test(
  excludes,
  [`${A} on:node-1`, `${B} terminating serving on:node-1`],
  [`${B} terminating`],
  [`${B} terminating`],
);
test(
  excludes,
  [`${A} for:zone-a`, `${B} for:zone-b on:node-1`],
  [`${B} hinted to other zones`],
  [`${A} ${ELSEWHERE}`],
);
test(
  excludes,
  [`${A} at:node-1 for:zone-a`, `${B} at:node-2 for:zone-a`],
  [`${B} hinted to other nodes`],
  [`${A} ${ELSEWHERE}`, `${B} ${ELSEWHERE}`],
);
test(
  excludes,
  [A, `${A} terminating`, `${B} unready`],
  [`${B} not ready`, `${A} duplicate`],
  [`${A} ${ELSEWHERE}`, `${B} ${ELSEWHERE}`, `${A} duplicate`],
);

const survives = test.macro({
  exec(t, lists: readonly (readonly string[])[], expected: string, others: readonly string[]) {
    const wordsOf = ({ endpoint }: Candidate) =>
      (['ready', 'serving', 'terminating'] as const).filter((word) => endpoint[word]).join(' ');
    for (const ordered of [lists, [...lists].reverse()]) {
      const { found: all, duplicates } = found(...ordered);
      t.deepEqual(all.map(wordsOf), [expected]);
      t.deepEqual(duplicates.map(wordsOf).sort(), [...others].sort());
    }
  },
  title: (_, lists: readonly (readonly string[])[]) =>
    `listed twice: ${lists.map((of) => of.join(', ')).join(' | ')}`,
});

const READY = 'ready serving';
test(survives, [[A], [A]], READY, [READY]);
test(survives, [[A, A]], READY, [READY]);
test(survives, [[A], [`${A} terminating serving`]], READY, ['serving terminating']);
test(survives, [[`${A} unready`], [`${A} terminating serving`]], '', ['serving terminating']);
test(survives, [[`${A} unready`], [`${A} ready terminating`]], '', ['ready serving terminating']);
test(survives, [[A], [`${A} unready`]], READY, ['']);
test(survives, [[`${A} serving`], [`${A} unready`]], 'serving', ['']);
test(survives, [[`${A} terminating`], [`${A} terminating serving`]], 'serving terminating', [
  'terminating',
]);
test(survives, [[A], [`${A} unready`], [`${A} terminating`]], READY, ['', 'terminating']);

test('ports join by name and protocol; the number is the slice’s own', (t) => {
  const all = [
    slice('a/web-1', 'web', ['http/TCP:8080', 'http/UDP:8081', 'x/TCP:80'], [A]),
    slice('a/web-2', 'web', ['http/TCP:9090', 'http/TCP:9091'], [B, A]),
    slice('a/web-3', 'web', ['http/TCP:8080'], ['fd01::1']),
    slice('a/web-4', 'web', ['TCP:8080'], [C]),
  ];
  const texts = (family: 'IPv4' | 'IPv6') =>
    candidates(all, family, PORT).found.map(({ backend: { address, port } }) =>
      formatEndpoint(address, port),
    );
  t.deepEqual(texts('IPv4'), [`${A}:8080`, `${A}:9090`, `${A}:9091`, `${B}:9090`, `${B}:9091`]);
  t.deepEqual(texts('IPv6'), ['[fd01::1]:8080']);
});

const endpoint = fc
  .tuple(
    fc.constantFrom(A, B, C),
    fc.constantFrom(
      '',
      '',
      ' unready',
      ' serving',
      ' terminating',
      ' terminating serving',
      ' terminating ready',
    ),
    fc.constantFrom('', ' on:node-1', ' on:node-2'),
    fc.constantFrom('', ' for:zone-a', ' for:zone-b'),
    fc.constantFrom('', ' at:node-1', ' at:node-2'),
  )
  .map((words) => words.join(''));
const lists = fc.array(fc.array(endpoint, { maxLength: 3 }), { maxLength: 4 });

test('whatever the endpoints are, a list has what may serve, and nothing else', (t) => {
  fc.assert(
    fc.property(lists, (all) => {
      const candidatesOf = found(...all).found;
      const { topology, usable, cluster, local, hasAny } = select(candidatesOf, NODE);
      const ready = candidatesOf.filter((one) => one.endpoint.ready);
      t.is(hasAny, cluster.length > 0);
      t.true(cluster.every((one) => usable.includes(one)));
      t.true([...cluster, ...local].every(({ endpoint: { serving } }) => serving));
      t.true(local.every(({ endpoint: { nodeName } }) => nodeName === NODE.name));
      for (const list of [cluster, local]) {
        t.true(new Set(list.map((one) => one.endpoint.ready)).size <= 1);
      }
      if (ready.length) t.true(cluster.every((one) => ready.includes(one)));
      if (ready.length && topology === 'none') t.deepEqual(cluster, ready);
      t.true(!local.length || hasAny);
    }),
  );
});

test('the order of slices makes no difference', (t) => {
  const shuffled = lists.chain((all) =>
    fc.tuple(
      fc.constant(all),
      fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length }),
    ),
  );
  fc.assert(
    fc.property(shuffled, ([all, other]) => {
      t.deepEqual(select(found(...other).found, NODE), select(found(...all).found, NODE));
    }),
  );
});
