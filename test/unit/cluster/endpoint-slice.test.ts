// SPDX-License-Identifier: Apache-2.0
// Which EndpointSlices are read, ignored, and refused, and what one bad endpoint costs (semantics 1.1, 1.4).

import test from 'ava';
import fc from 'fast-check';
import { parseEndpointSlice } from '../../../agent/cluster/endpoint-slice.ts';
import { hostileJson } from './hostile-json.ts';

const LABELS = { 'kubernetes.io/service-name': 'quiz' };

/** A slice in order, with fields replaced. */
function slice(fields: object = {}, metadata: object = {}): unknown {
  return {
    metadata: { name: 'quiz-1', namespace: 'kiada', labels: LABELS, ...metadata },
    addressType: 'IPv4',
    ports: [{ name: '', port: 8080 }],
    endpoints: [{ addresses: ['10.244.0.5'], nodeName: 'a', conditions: { ready: true } }],
    ...fields,
  };
}

const READY = { ready: true, serving: true, terminating: false };
const QUIZ = {
  namespace: 'kiada',
  name: 'quiz-1',
  serviceName: 'quiz',
  addressType: 'IPv4',
  ports: [{ name: '', protocol: 'TCP', port: 8080 }],
  endpoints: [{ address: '10.244.0.5', nodeName: 'a', ...READY }],
};

const reads = test.macro({
  exec(t, json: unknown, expected: object) {
    t.deepEqual(parseEndpointSlice(json), { spec: { ...QUIZ, ...expected } } as never);
  },
  title: (what) => `a slice is read: ${what}`,
});

const leavesOut = test.macro({
  exec(t, endpoints: unknown[], leftOut: string) {
    const good = { addresses: ['10.244.0.5'], nodeName: 'a' };
    const parsed = parseEndpointSlice(slice({ endpoints: [...endpoints, good] }));
    t.deepEqual(parsed, { spec: QUIZ, leftOut } as never);
  },
  title: (what) => `one endpoint is left out by name, the others stay: ${what}`,
});

const ignores = test.macro({
  exec(t, json: unknown) {
    t.deepEqual(Object.keys(parseEndpointSlice(json)), ['ignored']);
  },
  title: (what) => `a slice is ignored: ${what}`,
});

const refuses = test.macro({
  exec(t, json: unknown, reason: string) {
    t.deepEqual(parseEndpointSlice(json), { invalid: reason });
  },
  title: (what) => `a slice is invalid: ${what}`,
});

const conditions = test.macro({
  exec(t, given: unknown, expected: object) {
    const endpoints = [{ addresses: ['10.244.0.5'], conditions: given }];
    const parsed = parseEndpointSlice(slice({ endpoints }));
    t.like(parsed, { spec: { endpoints: [{ address: '10.244.0.5', ...expected }] } });
  },
  title: (what) => `conditions: ${what}`,
});

test('one port, one endpoint', reads, slice(), {});
test(
  'IPv6, in canonical form',
  reads,
  slice({ addressType: 'IPv6', endpoints: [{ addresses: ['FD00:0::5'] }] }),
  { addressType: 'IPv6', endpoints: [{ address: 'fd00::5', ...READY }] },
);
test(
  'only the first address counts',
  reads,
  slice({ endpoints: [{ addresses: ['10.244.0.5', 'nonsense'], nodeName: 'a' }] }),
  {},
);
test(
  'an endpoint without an address is none',
  reads,
  slice({ endpoints: [{ addresses: [] }, {}] }),
  {
    endpoints: [],
  },
);
test(
  'no node, in either way of saying so',
  reads,
  slice({
    endpoints: [{ addresses: ['10.244.0.5'], nodeName: '' }, { addresses: ['10.244.0.6'] }],
  }),
  {
    endpoints: [
      { address: '10.244.0.5', ...READY },
      { address: '10.244.0.6', ...READY },
    ],
  },
);
test('ports and endpoints that are null', reads, slice({ ports: null, endpoints: null }), {
  ports: [],
  endpoints: [],
});
test(
  'ports without a name or a number are none; protocol null is TCP',
  reads,
  slice({
    ports: [
      { port: 1 },
      { name: null, port: 2 },
      { name: 'a' },
      { name: 'b', port: null },
      { name: 'c', port: 0 },
      { name: 'd', port: 53, protocol: 'UDP' },
      { name: 'e', port: 80, protocol: null },
    ],
  }),
  {
    ports: [
      { name: 'd', protocol: 'UDP', port: 53 },
      { name: 'e', protocol: 'TCP', port: 80 },
    ],
  },
);

test('absent', conditions, undefined, READY);
test('null', conditions, { ready: null, serving: null, terminating: null }, READY);
test(
  'not ready says nothing about serving',
  conditions,
  { ready: false },
  { ...READY, ready: false },
);
test(
  'terminating but serving',
  conditions,
  { ready: false, serving: true, terminating: true },
  { ready: false, serving: true, terminating: true },
);

const bad = 'is not an IPv4 address';
test('no address', leavesOut, [{ addresses: ['x'] }], `endpoints[0].addresses[0]: "x" ${bad}`);
test(
  'an address of the other family',
  leavesOut,
  [{ addresses: ['fd00::5'] }],
  `endpoints[0].addresses[0]: "fd00::5" ${bad}`,
);
test(
  'several',
  leavesOut,
  [{ addresses: ['x'] }, { addresses: [5] }, null],
  `endpoints[0].addresses[0]: "x" ${bad} (and 2 more like it)`,
);
test(
  'addresses that are no list',
  leavesOut,
  [{ addresses: '10.244.0.6' }],
  'endpoints[0].addresses: "10.244.0.6" is not a list',
);
test(
  'a condition that is a text',
  leavesOut,
  [{ addresses: ['10.244.0.6'], conditions: { ready: 'true' } }],
  'endpoints[0].conditions.ready: "true" is not true or false',
);
test(
  'a node that is a number',
  leavesOut,
  [{ addresses: ['10.244.0.6'], nodeName: 7 }],
  'endpoints[0].nodeName: 7 is not a text',
);
test(
  'one that is not an object',
  leavesOut,
  ['10.244.0.6'],
  'endpoints[0]: "10.244.0.6" is not an object',
);

test('FQDN', ignores, slice({ addressType: 'FQDN', endpoints: [{ addresses: ['a.example'] }] }));
test('no Service', ignores, slice({}, { labels: undefined }));
test('an empty Service name', ignores, slice({}, { labels: { 'kubernetes.io/service-name': '' } }));
for (const value of ['', 'true']) {
  const labels = { ...LABELS, 'service.kubernetes.io/headless': value };
  test(`headless, by the label ${JSON.stringify(value)}`, ignores, slice({}, { labels }));
}

test('not an object', refuses, null, 'the object is not a JSON object');
test('no name', refuses, slice({}, { name: '' }), 'metadata.name: is missing, must be a text');
test(
  'a Service name that is a number',
  refuses,
  slice({}, { labels: { 'kubernetes.io/service-name': 1 } }),
  'metadata.labels.kubernetes.io/service-name: 1 is not a text',
);
test(
  'an unknown addressType',
  refuses,
  slice({ addressType: 'ipv4' }),
  'addressType: "ipv4" is not IPv4, IPv6 or FQDN',
);
test(
  'no addressType',
  refuses,
  slice({ addressType: undefined }),
  'addressType: is missing, must be IPv4, IPv6 or FQDN',
);
test(
  'a port out of range',
  refuses,
  slice({ ports: [{ name: '', port: 65536 }] }),
  'ports[0].port: 65536 is not a port number from 1 to 65535',
);
test(
  'an unknown protocol',
  refuses,
  slice({ ports: [{ name: '', port: 80, protocol: 'QUIC' }] }),
  'ports[0].protocol: "QUIC" is not TCP, UDP or SCTP',
);
test(
  'endpoints that are no list',
  refuses,
  slice({ endpoints: {} }),
  'endpoints: {} is not a list',
);

test('any JSON gives a spec, a reason to ignore, or a reason to refuse; never an exception', (t) => {
  fc.assert(
    fc.property(hostileJson(slice()), (json) => {
      const parsed = parseEndpointSlice(json);
      return 'spec' in parsed || 'ignored' in parsed || parsed.invalid !== '';
    }),
    { numRuns: 1000 },
  );
  t.pass();
});
