// SPDX-License-Identifier: Apache-2.0
// A Service and its slices to frontends and backends (semantics 1.3, 1.4, 1.5).

import test from 'ava';
import fc from 'fast-check';
import type { EndpointSliceSpec, ServiceSpec } from '../../../agent/model/objects.ts';
import { type ResolvedFrontend, resolve } from '../../../agent/model/resolve.ts';
import { address, resolved, service, slice } from '../../helpers/objects.ts';

const quote = (clusterIPs: string[], ...ports: Parameters<typeof service>[2]) =>
  service('default/quote', clusterIPs, ports);

const resolves = test.macro(
  (t, spec: ServiceSpec, slices: EndpointSliceSpec[], expected: ResolvedFrontend[]) => {
    t.deepEqual(resolve(spec, slices), expected);
  },
);

test(
  'an unnamed port joins an unnamed port',
  resolves,
  quote(['10.96.0.1'], 'TCP:80'),
  [slice('default/quote-1', 'quote', ['TCP:8080'], ['10.244.1.2'])],
  [resolved('default/quote', '', '10.96.0.1:80/TCP', ['10.244.1.2:8080'])],
);

test(
  'without slices everything is refused',
  resolves,
  quote(['10.96.0.1', 'fd00::1'], 'http/TCP:80'),
  [],
  [
    resolved('default/quote', 'http', '10.96.0.1:80/TCP', []),
    resolved('default/quote', 'http', '[fd00::1]:80/TCP', []),
  ],
);

test(
  'ports join by name and protocol, not by number',
  resolves,
  quote(['10.96.0.1'], 'http/TCP:80', 'admin/TCP:81', 'http/UDP:80'),
  [slice('default/quote-1', 'quote', ['admin/TCP:80', 'http/TCP:81', 'x/UDP:80'], ['10.244.1.2'])],
  [
    resolved('default/quote', 'http', '10.96.0.1:80/TCP', ['10.244.1.2:81']),
    resolved('default/quote', 'admin', '10.96.0.1:81/TCP', ['10.244.1.2:80']),
    resolved('default/quote', 'http', '10.96.0.1:80/UDP', []),
  ],
);

test(
  'slices add up, each with its own number for a port name',
  resolves,
  quote(['10.96.0.1'], 'http/TCP:80'),
  [
    slice('default/quote-2', 'quote', ['http/TCP:9090'], ['10.244.2.3']),
    slice('default/quote-1', 'quote', ['http/TCP:8080'], ['10.244.1.2', '10.244.1.1']),
    slice('default/quote-3', 'quote', ['admin/TCP:8080'], ['10.244.3.4']),
  ],
  [
    resolved('default/quote', 'http', '10.96.0.1:80/TCP', [
      '10.244.1.1:8080',
      '10.244.1.2:8080',
      '10.244.2.3:9090',
    ]),
  ],
);

test(
  'one slice may give a name two numbers',
  resolves,
  quote(['10.96.0.1'], 'http/TCP:80'),
  [slice('default/quote-1', 'quote', ['http/TCP:8080', 'http/TCP:8081'], ['10.244.1.2'])],
  [resolved('default/quote', 'http', '10.96.0.1:80/TCP', ['10.244.1.2:8080', '10.244.1.2:8081'])],
);

test(
  'each family has its own backends',
  resolves,
  quote(['fd00::1', '10.96.0.1'], 'TCP:80'),
  [
    slice('default/quote-4', 'quote', ['TCP:8080'], ['10.244.1.2']),
    slice('default/quote-6', 'quote', ['TCP:8080'], ['fd01::2', 'fd01::1']),
  ],
  [
    resolved('default/quote', '', '[fd00::1]:80/TCP', ['[fd01::1]:8080', '[fd01::2]:8080']),
    resolved('default/quote', '', '10.96.0.1:80/TCP', ['10.244.1.2:8080']),
  ],
);

const uses = test.macro({
  exec(t, endpoints: string[][], expected: string[]) {
    const slices = endpoints.map((of, i) => slice(`default/quote-${i}`, 'quote', ['TCP:8080'], of));
    const backends = (ordered: EndpointSliceSpec[]) =>
      resolve(quote(['10.96.0.1'], 'TCP:80'), ordered)[0]?.backends.map((b) => b.address);
    t.deepEqual(backends(slices), expected.map(address));
    t.deepEqual(backends(slices.reverse()), expected.map(address));
  },
  title: (_, endpoints, expected) => `of ${JSON.stringify(endpoints)}: ${expected}`,
});
const A = '10.244.1.1';
const B = '10.244.1.2';
test(uses, [[A, B]], [A, B]);
test(uses, [[A, `${B} unready`]], [A]);
test(uses, [[`${A} unready`, `${B} unready`]], []);
test(uses, [[A, `${B} terminating serving`]], [A]);
test(uses, [[`${A} unready`, `${B} terminating serving`]], [B]);
test(uses, [[`${A} terminating`, `${B} terminating serving`]], [B]);
test(uses, [[`${A} terminating`, `${B} terminating`]], []);
test(uses, [[`${A} serving`, `${B} unready`]], []);
// publishNotReadyAddresses makes an endpoint ready until it is gone.
test(uses, [[`${A} ready terminating`, B]], [A, B]);
// An address that is listed twice.
test(uses, [[A], [A]], [A]);
test(uses, [[A], [`${A} terminating serving`]], [A]);
test(uses, [[`${A} unready`], [`${A} terminating serving`]], []);
test(uses, [[`${A} unready`], [`${A} ready terminating`]], []);
test(uses, [[A], [`${A} unready`]], [A]);
test(uses, [[`${A} terminating`], [`${A} terminating serving`]], [A]);
test(uses, [[A, `${A} unready`]], [A]);

const endpoints = fc.tuple(
  fc.constantFrom(A, B, '10.244.1.3'),
  fc.constantFrom(
    '',
    ' unready',
    ' serving',
    ' terminating',
    ' terminating serving',
    ' terminating ready',
  ),
);
const slices = fc
  .array(
    fc.array(
      endpoints.map(([ip, words]) => ip + words),
      { maxLength: 3 },
    ),
    { maxLength: 4 },
  )
  .map((all) => all.map((of, i) => slice(`default/quote-${i}`, 'quote', ['TCP:8080'], of)));

test('the order of slices makes no difference', (t) => {
  const spec = quote(['10.96.0.1'], 'TCP:80');
  const shuffled = slices.chain((all) =>
    fc.tuple(
      fc.constant(all),
      fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length }),
    ),
  );
  fc.assert(
    fc.property(shuffled, ([all, other]) => {
      t.deepEqual(resolve(spec, other), resolve(spec, all));
    }),
  );
});
