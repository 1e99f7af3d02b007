// SPDX-License-Identifier: Apache-2.0
// Which EndpointSlices are read, ignored, and refused, and what one bad endpoint costs (semantics 1.1, 1.4).

import test from 'ava';
import fc from 'fast-check';
import { parseEndpointSlice } from '../../../agent/cluster/endpoint-slice.ts';
import { parseAddress } from '../../../agent/model/address.ts';
import type { EndpointSpec } from '../../../agent/model/objects.ts';
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
for (const [text, weight] of [
  ['0', 0],
  ['1', 1],
  ['007', 7],
  ['100', 100],
] as const) {
  test(`weight ${text}`, reads, slice({}, { annotations: { 'signalbox/weight': text } }), {
    weight,
  });
}
for (const text of ['101', '-1', '1.5', '', 'many', '1000', ' 1']) {
  test(`the weight '${text}' is none, and named`, (t) => {
    const parsed = parseEndpointSlice(slice({}, { annotations: { 'signalbox/weight': text } }));
    const said = `metadata.annotations.signalbox/weight: "${text}" is not a whole number from 0 to 100; 1 is in force`;
    t.deepEqual(parsed, { spec: QUIZ, leftOut: said } as never);
  });
}
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
  `endpoints[0].addresses[0]: "x" ${bad}; endpoints[1].addresses[0]: 5 ${bad}; ` +
    'endpoints[2]: is missing, must be an object',
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

/** What is read of one endpoint with these fields, and what is left out of it. */
const endpoint = test.macro({
  exec(t, fields: object, expected: object, leftOut?: string) {
    const endpoints = [{ addresses: ['10.244.0.4'] }, { addresses: ['10.244.0.5'], ...fields }];
    t.deepEqual(parseEndpointSlice(slice({ endpoints })), {
      spec: {
        ...QUIZ,
        endpoints: [
          { address: '10.244.0.4', ...READY },
          { address: '10.244.0.5', ...READY, ...expected },
        ],
      },
      ...(leftOut === undefined ? {} : { leftOut }),
    } as never);
  },
  title: (what) => `an endpoint's zone and hints: ${what}`,
});
const named = (...names: string[]) => names.map((name) => ({ name }));
test('a zone', endpoint, { zone: 'zone-a' }, { zone: 'zone-a' });
test('no zone, in either way of saying so', endpoint, { zone: '', hints: null }, {});
test('a zone that is a number', endpoint, { zone: 7 }, {}, 'endpoints[1].zone: 7 is not a text');
test(
  'hints for zones and nodes',
  endpoint,
  { hints: { forZones: named('zone-a', 'zone-b'), forNodes: named('node-1') } },
  { zoneHints: ['zone-a', 'zone-b'], nodeHints: ['node-1'] },
);
test('hints for nodes alone', endpoint, { hints: { forNodes: named('n') } }, { nodeHints: ['n'] });
test('empty hints are none', endpoint, { hints: { forZones: [], forNodes: null } }, {});
test('no hints are none', endpoint, { hints: {} }, {});
test(
  'hints that are a text',
  endpoint,
  { hints: 'zone-a' },
  {},
  'endpoints[1].hints: "zone-a" is not an object',
);
test(
  'a list of hints that is none costs that list',
  endpoint,
  { hints: { forZones: { name: 'zone-a' }, forNodes: named('node-1') } },
  { nodeHints: ['node-1'] },
  "endpoints[1].hints.forZones: { name: 'zone-a' } is not a list",
);
test(
  'hints that make no sense cost only themselves',
  endpoint,
  {
    hints: {
      forZones: [{ name: 7 }, ...named('zone-a'), 'zone-b', {}],
      forNodes: [{ name: true }],
    },
  },
  { zoneHints: ['zone-a'] },
  'endpoints[1].hints.forZones[0].name: 7 is not a text; ' +
    'endpoints[1].hints.forZones[2]: "zone-b" is not an object; ' +
    'endpoints[1].hints.forZones[3].name: is missing, must be a text; and 1 more',
);

test('5,000 endpoints, one in ten of them bad', (t) => {
  const endpoints = Array.from({ length: 5000 }, (_, i) => ({
    addresses: [i % 10 === 0 ? 'x' : `10.244.${i >> 8}.${i & 255}`],
  }));
  const parsed = parseEndpointSlice(slice({ endpoints }));
  t.is('spec' in parsed && parsed.spec.endpoints.length, 4500);
  t.regex('spec' in parsed ? (parsed.leftOut ?? '') : '', /endpoints\[20\].*; and 497 more$/);
});

test('endpoints with the same hints share one list', (t) => {
  const hints = { forZones: named('zone-a'), forNodes: named('node-1', 'node-2') };
  const endpoints = ['10.244.0.5', '10.244.0.6'].map((ip) => ({ addresses: [ip], hints }));
  // As from the server: not one text in it is the same object as another.
  const json = JSON.parse(JSON.stringify(slice({ endpoints })));
  const parsed = parseEndpointSlice(json);
  const [a, b] = 'spec' in parsed ? parsed.spec.endpoints : [];
  t.deepEqual(a?.nodeHints, ['node-1', 'node-2']);
  t.is(a?.nodeHints, b?.nodeHints);
  t.is(a?.zoneHints, b?.zoneHints);
  t.true(Object.isFrozen(a?.zoneHints));
});

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

const FULL = slice({
  endpoints: [
    {
      addresses: ['10.244.0.5'],
      nodeName: 'a',
      zone: 'zone-a',
      conditions: { ready: true, serving: true, terminating: false },
      hints: { forZones: [{ name: 'zone-a' }], forNodes: [{ name: 'a' }] },
    },
  ],
});

test('any JSON gives a spec that is one, a reason to ignore, or a reason to refuse; never an exception', (t) => {
  fc.assert(
    fc.property(hostileJson(FULL), (json) => {
      const parsed = parseEndpointSlice(json);
      if ('spec' in parsed) return parsed.spec.endpoints.every(isSound) && parsed.leftOut !== '';
      return 'ignored' in parsed || parsed.invalid !== '';
    }),
    { numRuns: 3000 },
  );
  t.pass();
});

/** Whether everything in an endpoint is of the kind that its type promises. */
function isSound(read: EndpointSpec): boolean {
  const { address, nodeName, zone, ready, serving, terminating, zoneHints, nodeHints } = read;
  return (
    parseAddress(address) === address &&
    [nodeName, zone].every((text) => text === undefined || (typeof text === 'string' && text)) &&
    [ready, serving, terminating].every((condition) => typeof condition === 'boolean') &&
    [zoneHints, nodeHints].every(
      (hints) => !hints || (hints.length > 0 && hints.every((name) => typeof name === 'string')),
    )
  );
}

const TRIGGER_TIME = 'endpoints.kubernetes.io/last-change-trigger-time';

for (const [text, expected] of [
  ['2026-01-02T03:04:05Z', Date.UTC(2026, 0, 2, 3, 4, 5)],
  ['2026-01-02T03:04:05.123456789Z', Date.UTC(2026, 0, 2, 3, 4, 5, 123)],
  ['yesterday', undefined],
  ['', undefined],
  [7, undefined],
  [null, undefined],
] as const) {
  test(`what caused a change, for metrics alone: ${JSON.stringify(text)}`, (t) => {
    const parsed = parseEndpointSlice(slice({}, { annotations: { [TRIGGER_TIME]: text } }));
    const triggered = expected === undefined ? {} : { triggeredMs: expected };
    t.deepEqual(parsed, { spec: QUIZ, ...triggered } as never);
  });
}
