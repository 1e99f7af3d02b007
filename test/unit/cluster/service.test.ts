// SPDX-License-Identifier: Apache-2.0
// Which Services are read, ignored, and refused, and what costs only itself (semantics 1.1, 1.3, 1.8-1.10).

import test from 'ava';
import fc from 'fast-check';
import { parseService } from '../../../agent/cluster/service.ts';
import { parseAddress, parsePrefix } from '../../../agent/model/address.ts';
import type { ServiceSpec } from '../../../agent/model/objects.ts';
import { hostileJson } from './hostile-json.ts';

/** A Service in order, with fields of its spec and metadata replaced. */
function service(spec: object = {}, metadata: object = {}): unknown {
  return {
    metadata: { name: 'quiz', namespace: 'kiada', ...metadata },
    spec: { clusterIP: '10.96.0.1', ports: [{ port: 80 }], ...spec },
  };
}

const QUIZ = {
  namespace: 'kiada',
  name: 'quiz',
  clusterIPs: ['10.96.0.1'],
  externalIPs: [],
  loadBalancerIPs: [],
  loadBalancerSourceRanges: [],
  internalTrafficPolicy: 'Cluster',
  externalTrafficPolicy: 'Cluster',
  affinityTimeoutSeconds: 0,
  balancing: 'random',
  ports: [{ name: '', protocol: 'TCP', port: 80, nodePort: 0 }],
};

/** A Service in order, with a load balancer's answer. */
function balanced(ingress: unknown): unknown {
  return { ...(service() as object), status: { loadBalancer: { ingress } } };
}

const reads = test.macro({
  exec(t, json: unknown, expected: object) {
    t.deepEqual(parseService(json), { spec: { ...QUIZ, ...expected } } as never);
  },
  title: (what) => `a Service is read: ${what}`,
});

/** The Service is in force but for what is named. */
const leavesOut = test.macro({
  exec(t, json: unknown, expected: object, leftOut: string) {
    t.deepEqual(parseService(json), { spec: { ...QUIZ, ...expected }, leftOut } as never);
  },
  title: (what) => `a part of a Service is left out by name: ${what}`,
});

const ignores = test.macro({
  exec(t, json: unknown) {
    t.is(Object.keys(parseService(json))[0], 'ignored');
  },
  title: (what) => `a Service is ignored: ${what}`,
});

test('what is left to another proxy says what is to be left alone', (t) => {
  const labels = { 'service.kubernetes.io/service-proxy-name': 'mesh' };
  const foreign = (spec: object) => {
    const parsed = parseService(service(spec, { labels }));
    return 'ignored' in parsed ? parsed.foreign : 'not ignored';
  };
  const clusterIPs = ['10.96.0.7', 'fd00::7'];
  t.deepEqual(foreign({ clusterIP: '10.96.0.7', clusterIPs }), clusterIPs);
  t.deepEqual(foreign({ clusterIP: 'None', clusterIPs: 'x' }), []);
});

test('what is left out says which clusterIP is missed', (t) => {
  const reason = (more: object, labels?: object) => {
    const parsed = parseService(service(more, labels && { labels }));
    return 'invalid' in parsed ? parsed.invalid : 'ignored' in parsed ? parsed.ignored : undefined;
  };
  t.regex(
    reason({ ports: [{ port: '80' }] }) ?? '',
    /^spec\.ports\[0\]\.port: .* \(clusterIP 10\.96\.0\.1\)$/,
  );
  t.regex(reason({ clusterIP: 'FD00:0::1', ports: 1 }) ?? '', / \(clusterIP fd00::1\)$/);
  t.notRegex(reason({ clusterIP: '10.96.0', ports: 1 }) ?? '', /clusterIP 10/);
  t.regex(
    reason({}, { 'service.kubernetes.io/service-proxy-name': '' }) ?? '',
    / \(clusterIP 10\.96\.0\.1\)$/,
  );
});

const refuses = test.macro({
  exec(t, json: unknown, reason: string) {
    const parsed = parseService(json);
    t.is('invalid' in parsed && parsed.invalid.replace(/ \(clusterIP [^)]+\)$/, ''), reason);
  },
  title: (what) => `a Service is invalid: ${what}`,
});

test('one address, one unnamed port', reads, service(), {});
test('no namespace is the namespace default', reads, service({}, { namespace: undefined }), {
  namespace: 'default',
});
test('creationTimestamp', reads, service({}, { creationTimestamp: '2026-01-02T03:04:05Z' }), {
  creationTimestamp: '2026-01-02T03:04:05Z',
});
test(
  'null stands for absent',
  reads,
  service({ clusterIPs: null, type: null }, { labels: null }),
  {},
);
test(
  'both families, in canonical form',
  reads,
  service({ clusterIP: 'FD00:0::1', clusterIPs: ['FD00:0::1', '10.96.0.1'] }),
  { clusterIPs: ['fd00::1', '10.96.0.1'] },
);
test(
  'one clusterIP in two spellings',
  reads,
  service({ clusterIP: 'fd00::1', clusterIPs: ['FD00:0::1', '10.96.0.1'] }),
  { clusterIPs: ['fd00::1', '10.96.0.1'] },
);
test('clusterIPs alone', reads, service({ clusterIP: null, clusterIPs: ['10.96.0.1'] }), {});
test('no ports', reads, service({ ports: undefined }), { ports: [] });
test(
  'ports of every protocol; one number and one name under two protocols',
  reads,
  service({
    ports: [
      { name: 'dns', port: 53, protocol: 'UDP', targetPort: 'x', nodePort: 30053 },
      { name: 'dns', port: 53, protocol: 'TCP' },
      { name: 'sctp', port: 65535, protocol: 'SCTP' },
      { name: 'one', port: 1, protocol: null },
    ],
  }),
  {
    ports: [
      { name: 'dns', protocol: 'UDP', port: 53, nodePort: 30053 },
      { name: 'dns', protocol: 'TCP', port: 53, nodePort: 0 },
      { name: 'sctp', protocol: 'SCTP', port: 65535, nodePort: 0 },
      { name: 'one', protocol: 'TCP', port: 1, nodePort: 0 },
    ],
  },
);
test(
  'a type of NodePort or LoadBalancer does not matter by itself',
  reads,
  service({ type: 'NodePort' }),
  {},
);

test(
  'families that agree with the addresses',
  reads,
  service({ clusterIPs: ['10.96.0.1', 'fd00::1'], ipFamilies: ['IPv4', 'IPv6'] }),
  { clusterIPs: ['10.96.0.1', 'fd00::1'] },
);
test(
  'a family without an address is one in which the Service does not exist',
  reads,
  service({ ipFamilies: ['IPv4', 'IPv6'] }),
  {},
);
test('no families are no statement', reads, service({ ipFamilies: [] }), {});

test(
  'external addresses of both families, leading zeros too, each once; blanks are nothing',
  reads,
  service({
    externalIPs: ['192.0.2.1', '', 'FD00::0001', '192.000.002.01', ' \t', '::ffff:192.0.2.1'],
  }),
  { externalIPs: ['192.0.2.1', 'fd00::1'] },
);
test(
  'addresses of a load balancer: the mode VIP or none; names and the mode Proxy are nothing',
  reads,
  balanced([
    { ip: '203.0.113.1' },
    { ip: '203.0.113.2', ipMode: 'VIP', hostname: 'x.example' },
    { ip: '203.0.113.3', ipMode: 'Proxy' },
    { ip: 'nonsense', ipMode: 'Proxy' },
    { hostname: 'y.example' },
    { ip: '', hostname: 'z.example' },
    { ip: ' ' },
    { ip: null, ipMode: null },
    { ip: '203.000.113.001', ipMode: null, ports: [{ port: 80 }] },
    { ip: '2001:DB8::1' },
  ]),
  { loadBalancerIPs: ['203.0.113.1', '203.0.113.2', '2001:db8::1'] },
);
for (const status of [undefined, null, {}, { loadBalancer: null }, { loadBalancer: {} }]) {
  test(
    `no load balancer: ${JSON.stringify(status)}`,
    reads,
    { ...(service() as object), status },
    {},
  );
}
test(
  'source ranges with white space, host bits and leading zeros, each once',
  reads,
  service({
    loadBalancerSourceRanges: [
      ' 10.1.2.3/8\n',
      '010.0.0.0/08',
      '',
      '  ',
      '0.0.0.0/0',
      'FD00::1/64',
      '::ffff:192.168.0.0/112',
    ],
  }),
  { loadBalancerSourceRanges: ['10.0.0.0/8', '0.0.0.0/0', 'fd00::/64', '192.168.0.0/16'] },
);

const LOCAL = { externalTrafficPolicy: 'Local' };
test('externalTrafficPolicy of a NodePort', reads, service({ ...LOCAL, type: 'NodePort' }), LOCAL);
test(
  'externalTrafficPolicy of a LoadBalancer',
  reads,
  service({ ...LOCAL, type: 'LoadBalancer' }),
  LOCAL,
);
test(
  'externalTrafficPolicy of a ClusterIP with external addresses',
  reads,
  service({ ...LOCAL, type: 'ClusterIP', externalIPs: ['192.0.2.1'] }),
  { ...LOCAL, externalIPs: ['192.0.2.1'] },
);
test(
  'externalTrafficPolicy of no type with external addresses',
  reads,
  service({ ...LOCAL, externalIPs: ['192.0.2.1'] }),
  { ...LOCAL, externalIPs: ['192.0.2.1'] },
);
test(
  'externalTrafficPolicy is not honoured for a ClusterIP alone, nodePort or not',
  reads,
  service({ ...LOCAL, type: 'ClusterIP', ports: [{ port: 80, nodePort: 30080 }] }),
  { ports: [{ name: '', protocol: 'TCP', port: 80, nodePort: 30080 }] },
);
test('externalTrafficPolicy is not honoured without a type', reads, service(LOCAL), {});
const CHECKED = { ...LOCAL, type: 'LoadBalancer', healthCheckNodePort: 30_100 };
test('healthCheckNodePort of a LoadBalancer with policy Local', reads, service(CHECKED), {
  ...LOCAL,
  healthCheckNodePort: 30_100,
});
for (const [what, change, expected] of [
  ['of a NodePort', { type: 'NodePort' }, LOCAL],
  ['with policy Cluster', { externalTrafficPolicy: 'Cluster' }, {}],
  ['that is 0', { healthCheckNodePort: 0 }, LOCAL],
  ['that is null', { healthCheckNodePort: null }, LOCAL],
] as const)
  test(`healthCheckNodePort ${what} is none`, reads, service({ ...CHECKED, ...change }), expected);
test(
  'internalTrafficPolicy of any type',
  reads,
  service({ internalTrafficPolicy: 'Local', type: 'ClusterIP' }),
  { internalTrafficPolicy: 'Local' },
);
test(
  'policies that are null or empty',
  reads,
  service({ internalTrafficPolicy: null, externalTrafficPolicy: '', sessionAffinity: '' }),
  {},
);

const affinity = (timeoutSeconds: unknown) => ({
  sessionAffinity: 'ClientIP',
  sessionAffinityConfig: { clientIP: { timeoutSeconds } },
});
for (const [config, affinityTimeoutSeconds] of [
  [{ sessionAffinity: 'ClientIP' }, 10_800],
  [{ sessionAffinity: 'ClientIP', sessionAffinityConfig: null }, 10_800],
  [{ sessionAffinity: 'ClientIP', sessionAffinityConfig: {} }, 10_800],
  [{ sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: null } }, 10_800],
  [affinity(null), 10_800],
  [affinity(1), 1],
  [affinity(86_400), 86_400],
  [{ ...affinity(60), sessionAffinity: 'None' }, 0],
  [{ ...affinity('x'), sessionAffinity: undefined }, 0],
] as const) {
  test(`affinity of ${JSON.stringify(config)}`, reads, service(config), { affinityTimeoutSeconds });
}

test(
  'nodePorts: absent, null and 0 are none; one number under two protocols',
  reads,
  service({
    ports: [
      { name: 'a', port: 1, nodePort: 0 },
      { name: 'b', port: 2, nodePort: null },
      { name: 'c', port: 3, nodePort: 1 },
      { name: 'd', port: 4, nodePort: 65535 },
      { name: 'e', port: 5, nodePort: 65535, protocol: 'UDP' },
    ],
  }),
  {
    ports: [
      { name: 'a', protocol: 'TCP', port: 1, nodePort: 0 },
      { name: 'b', protocol: 'TCP', port: 2, nodePort: 0 },
      { name: 'c', protocol: 'TCP', port: 3, nodePort: 1 },
      { name: 'd', protocol: 'TCP', port: 4, nodePort: 65535 },
      { name: 'e', protocol: 'UDP', port: 5, nodePort: 65535 },
    ],
  },
);
const many = Array.from({ length: 400 }, (_, i) => ({ name: `p${i}`, port: i + 1 }));
test('400 ports', reads, service({ ports: many }), {
  ports: many.map((port) => ({ ...port, protocol: 'TCP', nodePort: 0 })),
});

test(
  'external addresses that are none',
  leavesOut,
  service({ externalIPs: ['192.0.2.1', 'x', 7, '192.0.2.2'] }),
  { externalIPs: ['192.0.2.1', '192.0.2.2'] },
  'spec.externalIPs[1]: "x" is not an IP address; spec.externalIPs[2]: 7 is not a text',
);
test(
  'more than are named',
  leavesOut,
  service({ externalIPs: ['a', 'b', 'c', 'd', ' 192.0.2.1'] }),
  {},
  'spec.externalIPs[0]: "a" is not an IP address; spec.externalIPs[1]: "b" is not an IP address; ' +
    'spec.externalIPs[2]: "c" is not an IP address; and 2 more',
);
for (const [text, use] of [
  ['0.0.0.0', 'unspecified'],
  ['::', 'unspecified'],
  ['127.1.2.3', 'loopback'],
  ['::1', 'loopback'],
  ['::ffff:127.0.0.1', 'loopback'],
  ['169.254.169.254', 'link-local'],
  ['fe80::1', 'link-local'],
  ['224.0.0.1', 'multicast'],
  ['239.255.255.255', 'multicast'],
  ['ff02::1', 'multicast'],
]) {
  const complaint = `"${text}" is not an address for a Service: it is ${use}`;
  test(
    `the external address ${text}`,
    leavesOut,
    service({ externalIPs: [text] }),
    {},
    `spec.externalIPs[0]: ${complaint}`,
  );
  test(
    `the load-balancer address ${text}`,
    leavesOut,
    balanced([{ ip: text }]),
    {},
    `status.loadBalancer.ingress[0].ip: ${complaint}`,
  );
}
test(
  'entries of a load balancer that make no sense',
  leavesOut,
  balanced([{ ip: '203.0.113.1', ipMode: 'vip' }, '203.0.113.2', { ip: '203.0.113.3' }, { ip: 4 }]),
  { loadBalancerIPs: ['203.0.113.3'] },
  'status.loadBalancer.ingress[0].ipMode: "vip" is not VIP or Proxy; ' +
    'status.loadBalancer.ingress[1]: "203.0.113.2" is not an object; ' +
    'status.loadBalancer.ingress[3].ip: 4 is not a text',
);
test(
  'source ranges that are none',
  leavesOut,
  service({ loadBalancerSourceRanges: ['10.0.0.0/33', '10.0.0.0/8', '10.0.0.1', null] }),
  { loadBalancerSourceRanges: ['10.0.0.0/8'] },
  'spec.loadBalancerSourceRanges[0]: "10.0.0.0/33" is not a CIDR such as 10.0.0.0/8; ' +
    'spec.loadBalancerSourceRanges[2]: "10.0.0.1" is not a CIDR such as 10.0.0.0/8; ' +
    'spec.loadBalancerSourceRanges[3]: is missing, must be a text',
);
test(
  'no source range that is one: no restriction',
  leavesOut,
  service({ loadBalancerSourceRanges: ['x'] }),
  {},
  'spec.loadBalancerSourceRanges[0]: "x" is not a CIDR such as 10.0.0.0/8',
);
test(
  'an unknown external policy',
  leavesOut,
  service({ externalTrafficPolicy: 'local', type: 'NodePort' }),
  {},
  'spec.externalTrafficPolicy: "local" is not Cluster or Local; Cluster is in force',
);
test(
  'an unknown internal policy',
  leavesOut,
  service({ internalTrafficPolicy: 'PreferLocal' }),
  {},
  'spec.internalTrafficPolicy: "PreferLocal" is not Cluster or Local; Cluster is in force',
);
test(
  'a healthCheckNodePort that is no port',
  leavesOut,
  service({ ...CHECKED, healthCheckNodePort: 70_000 }),
  LOCAL,
  'spec.healthCheckNodePort: 70000 is not a port number from 1 to 65535',
);
const annotated = (annotations: unknown): unknown => ({
  metadata: { name: 'quiz', namespace: 'kiada', annotations },
  spec: { clusterIP: '10.96.0.1', ports: [{ port: 80 }] },
});
for (const [word, balancing] of [
  ['maglev', 'maglev'],
  ['random', 'random'],
]) {
  test(`balancing ${word}`, reads, annotated({ 'signalbox/balancing': word, other: 'x' }), {
    balancing,
  });
}
test('no annotations', reads, annotated(null), {});
test(
  'an unknown balancing',
  leavesOut,
  annotated({ 'signalbox/balancing': 'Maglev' }),
  {},
  'metadata.annotations.signalbox/balancing: "Maglev" is not random or maglev; random is in force',
);
test(
  'a balancing that is no text',
  leavesOut,
  annotated({ 'signalbox/balancing': true }),
  {},
  'metadata.annotations.signalbox/balancing: true is not a text',
);
test(
  'annotations that are none',
  leavesOut,
  annotated(['signalbox/balancing']),
  {},
  "metadata.annotations: [ 'signalbox/balancing' ] is not an object",
);
test(
  'an unknown affinity',
  leavesOut,
  service({ sessionAffinity: 'clientip' }),
  {},
  'spec.sessionAffinity: "clientip" is not ClientIP or None; None is in force',
);
for (const [seconds, shown] of [
  [0, '0'],
  [-1, '-1'],
  [1.5, '1.5'],
  [86_401, '86401'],
  ['60', '"60"'],
  [true, 'true'],
  [[60], '[ 60 ]'],
]) {
  test(
    `the affinity time-out ${shown}`,
    leavesOut,
    service(affinity(seconds)),
    { affinityTimeoutSeconds: 10_800 },
    `spec.sessionAffinityConfig.clientIP.timeoutSeconds: ${shown} ` +
      'is not a whole number from 1 to 86400; 10800 is in force',
  );
}
test(
  'a nodePort twice under one protocol',
  leavesOut,
  service({
    ports: [
      { name: 'a', port: 80, nodePort: 30080 },
      { name: 'b', port: 81, nodePort: 30080 },
      { name: 'c', port: 82, nodePort: 30080, protocol: 'UDP' },
    ],
  }),
  {
    ports: [
      { name: 'a', protocol: 'TCP', port: 80, nodePort: 30080 },
      { name: 'b', protocol: 'TCP', port: 81, nodePort: 0 },
      { name: 'c', protocol: 'UDP', port: 82, nodePort: 30080 },
    ],
  },
  'spec.ports[1].nodePort: 30080 is not free: an earlier TCP port has it',
);

test('headless', ignores, service({ clusterIP: 'None', clusterIPs: ['None'] }));
test(
  'headless whatever clusterIPs say',
  ignores,
  service({ clusterIP: 'None', clusterIPs: ['10.96.0.1'] }),
);
test('headless by clusterIPs alone', ignores, service({ clusterIP: null, clusterIPs: ['None'] }));
test('an empty clusterIP', ignores, service({ clusterIP: '' }));
test('no clusterIP', ignores, service({ clusterIP: undefined }));
test('ExternalName, even with an address left over', ignores, service({ type: 'ExternalName' }));
for (const value of ['other', '', null]) {
  const labels = { 'service.kubernetes.io/service-proxy-name': value };
  test(`another proxy's, by the label ${JSON.stringify(value)}`, ignores, service({}, { labels }));
}

test('not an object', refuses, [1], 'the object is not a JSON object');
test('no metadata', refuses, { spec: {} }, 'metadata: is missing, must be an object');
test(
  'no name',
  refuses,
  service({}, { name: undefined }),
  'metadata.name: is missing, must be a text',
);
for (const name of ['x'.repeat(64), 'Quiz', 'quiz.v2', 'quíz', '-quiz']) {
  const complaint = 'is not at most 63 lower-case letters, digits and "-"';
  const shown = name.length > 58 ? `"${name.slice(0, 59)}…` : `"${name}"`;
  test(
    `a name that the API server refuses: ${name}`,
    refuses,
    service({}, { name }),
    `metadata.name: ${shown} ${complaint}`,
  );
  test(
    `a namespace that the API server refuses: ${name}`,
    refuses,
    service({}, { namespace: name }),
    `metadata.namespace: ${shown} ${complaint}`,
  );
  test(
    `a port name that the API server refuses: ${name}`,
    refuses,
    service({ ports: [{ name, port: 80 }] }),
    `spec.ports[0].name: ${shown} ${complaint}`,
  );
}
test('the longest name', reads, service({}, { name: 'x'.repeat(63) }), { name: 'x'.repeat(63) });
test('a number for a name', refuses, service({}, { name: 5 }), 'metadata.name: 5 is not a text');
test(
  'a slash in a name, which would make two keys one',
  refuses,
  service({}, { name: 'a/b' }),
  'metadata.name: "a/b" is not a name without "/"',
);
test(
  'labels that are a list',
  refuses,
  service({}, { labels: ['x'] }),
  "metadata.labels: [ 'x' ] is not an object",
);
test('no spec', refuses, { metadata: { name: 'quiz' } }, 'spec: is missing, must be an object');
test(
  'text that is no address',
  refuses,
  service({ clusterIP: '10.96.0.300' }),
  'spec.clusterIP: "10.96.0.300" is not an IP address',
);
test(
  'a second address that is none',
  refuses,
  service({ clusterIPs: ['10.96.0.1', 'fd00::x'] }),
  'spec.clusterIPs[1]: "fd00::x" is not an IP address',
);
test(
  'two addresses of one family',
  refuses,
  service({ clusterIPs: ['10.96.0.1', '::ffff:10.96.0.2'] }),
  'spec.clusterIPs[1]: "::ffff:10.96.0.2" is not of another family than the address before it',
);
test(
  'an address of another family than is named',
  refuses,
  service({ ipFamilies: ['IPv6'] }),
  'spec.clusterIP: "10.96.0.1" is not of the family "IPv6" that ipFamilies[0] names',
);
test(
  'families in another order than the addresses',
  refuses,
  service({ clusterIPs: ['10.96.0.1', 'fd00::1'], ipFamilies: ['IPv6', 'IPv4'] }),
  'spec.clusterIPs[0]: "10.96.0.1" is not of the family "IPv6" that ipFamilies[0] names',
);
test(
  'an address of a family that is not named',
  refuses,
  service({ clusterIPs: ['10.96.0.1', 'fd00::1'], ipFamilies: ['IPv4'] }),
  'spec.clusterIPs[1]: "fd00::1" is not of a family that ipFamilies names',
);
test(
  'an unknown family',
  refuses,
  service({ ipFamilies: [4] }),
  'spec.clusterIP: "10.96.0.1" is not of the family 4 that ipFamilies[0] names',
);
test(
  'clusterIPs that contradict clusterIP',
  refuses,
  service({ clusterIPs: ['10.96.0.2'] }),
  'spec.clusterIPs[0]: "10.96.0.2" is not the clusterIP "10.96.0.1"',
);
test(
  'a number in clusterIPs',
  refuses,
  service({ clusterIPs: [7] }),
  'spec.clusterIPs[0]: 7 is not a text',
);
test('ports that are no list', refuses, service({ ports: 80 }), 'spec.ports: 80 is not a list');
test(
  'a port that is no object',
  refuses,
  service({ ports: [{ port: 80 }, 81] }),
  'spec.ports[1]: 81 is not an object',
);
for (const port of [0, 65536, -1, 80.5, '80']) {
  test(
    `the port ${JSON.stringify(port)}`,
    refuses,
    service({ ports: [{ port }] }),
    `spec.ports[0].port: ${JSON.stringify(port)} is not a port number from 1 to 65535`,
  );
}
for (const nodePort of [65536, -1, 30080.5]) {
  test(
    `the nodePort ${nodePort}`,
    refuses,
    service({ ports: [{ port: 80, nodePort }] }),
    `spec.ports[0].nodePort: ${nodePort} is not a port number from 1 to 65535`,
  );
}
for (const [what, json, complaint] of [
  ['externalIPs', service({ externalIPs: 'x' }), 'spec.externalIPs: "x" is not a list'],
  [
    'loadBalancerSourceRanges',
    service({ loadBalancerSourceRanges: {} }),
    'spec.loadBalancerSourceRanges: {} is not a list',
  ],
  ['ipFamilies', service({ ipFamilies: 'IPv4' }), 'spec.ipFamilies: "IPv4" is not a list'],
  [
    'externalTrafficPolicy',
    service({ externalTrafficPolicy: true }),
    'spec.externalTrafficPolicy: true is not a text',
  ],
  [
    'internalTrafficPolicy',
    service({ internalTrafficPolicy: ['Local'] }),
    "spec.internalTrafficPolicy: [ 'Local' ] is not a text",
  ],
  ['sessionAffinity', service({ sessionAffinity: 5 }), 'spec.sessionAffinity: 5 is not a text'],
  [
    'sessionAffinityConfig',
    service({ sessionAffinity: 'ClientIP', sessionAffinityConfig: 5 }),
    'spec.sessionAffinityConfig: 5 is not an object',
  ],
  [
    'sessionAffinityConfig.clientIP',
    service({ sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: [] } }),
    'spec.sessionAffinityConfig.clientIP: [] is not an object',
  ],
  [
    'nodePort',
    service({ ports: [{ port: 80, nodePort: '30080' }] }),
    'spec.ports[0].nodePort: "30080" is not a port number from 1 to 65535',
  ],
  ['status', { ...(service() as object), status: 'x' }, 'status: "x" is not an object'],
  [
    'status.loadBalancer',
    { ...(service() as object), status: { loadBalancer: 7 } },
    'status.loadBalancer: 7 is not an object',
  ],
  ['ingress', balanced('x'), 'status.loadBalancer.ingress: "x" is not a list'],
] as const) {
  test(`${what} of the wrong type`, refuses, json, complaint);
}
test(
  'a port without a number',
  refuses,
  service({ ports: [{}] }),
  'spec.ports[0].port: is missing, must be a port number from 1 to 65535',
);
test(
  'an unknown protocol',
  refuses,
  service({ ports: [{ port: 80, protocol: 'tcp' }] }),
  'spec.ports[0].protocol: "tcp" is not TCP, UDP or SCTP',
);
test(
  'one port twice',
  refuses,
  service({
    ports: [
      { name: 'a', port: 80 },
      { name: 'b', port: 80 },
    ],
  }),
  'spec.ports[1].port: 80 is not free: an earlier TCP port has it',
);
test(
  'one name twice',
  refuses,
  service({ ports: [{ port: 80 }, { port: 81 }] }),
  'spec.ports[1].name: "" is not free: an earlier TCP port has it',
);
test(
  'a value too long to show',
  refuses,
  service({ clusterIP: 'x'.repeat(500) }),
  `spec.clusterIP: "${'x'.repeat(59)}… is not an IP address`,
);

test('thousands of Services share their empty lists, and the lists that they repeat', (t) => {
  const ranges = { loadBalancerSourceRanges: ['10.0.0.0/8', '192.0.2.0/24'] };
  const [a, b] = [ranges, ranges].map((spec) => specOf(service(spec)));
  t.is(a?.loadBalancerSourceRanges, b?.loadBalancerSourceRanges);
  t.is(a?.externalIPs, b?.externalIPs);
  t.is<unknown, unknown>(a?.externalIPs, a?.loadBalancerIPs);
  t.true(Object.isFrozen(a?.externalIPs));
  t.true(Object.isFrozen(a?.loadBalancerSourceRanges));
});

const FULL = {
  metadata: { name: 'quiz', namespace: 'kiada', labels: { app: 'quiz' } },
  spec: {
    type: 'LoadBalancer',
    clusterIP: '10.96.0.1',
    clusterIPs: ['10.96.0.1', 'fd00::1'],
    ipFamilies: ['IPv4', 'IPv6'],
    externalIPs: ['192.0.2.1', '2001:db8::1'],
    loadBalancerSourceRanges: ['10.0.0.0/8', 'fd00::/8'],
    internalTrafficPolicy: 'Local',
    externalTrafficPolicy: 'Local',
    healthCheckNodePort: 30_100,
    sessionAffinity: 'ClientIP',
    sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } },
    ports: [
      { name: 'a', protocol: 'TCP', port: 80, nodePort: 30080 },
      { name: 'b', protocol: 'UDP', port: 81, nodePort: 30081 },
    ],
  },
  status: { loadBalancer: { ingress: [{ ip: '203.0.113.1', ipMode: 'VIP' }] } },
};

test('the Service that is damaged below is in order', reads, FULL, {
  clusterIPs: ['10.96.0.1', 'fd00::1'],
  externalIPs: ['192.0.2.1', '2001:db8::1'],
  loadBalancerIPs: ['203.0.113.1'],
  loadBalancerSourceRanges: ['10.0.0.0/8', 'fd00::/8'],
  internalTrafficPolicy: 'Local',
  externalTrafficPolicy: 'Local',
  healthCheckNodePort: 30_100,
  affinityTimeoutSeconds: 60,
  ports: FULL.spec.ports,
});

test('any JSON gives a spec that is one, a reason to ignore, or a reason to refuse; never an exception', (t) => {
  fc.assert(
    fc.property(hostileJson(FULL), (json) => {
      const parsed = parseService(json);
      if ('spec' in parsed) return isSound(parsed.spec) && parsed.leftOut !== '';
      return 'ignored' in parsed || parsed.invalid !== '';
    }),
    { numRuns: 3000 },
  );
  t.pass();
});

/** Whether everything in `spec` is of the kind that its type promises. */
function isSound(spec: ServiceSpec): boolean {
  const { ports, affinityTimeoutSeconds: seconds, healthCheckNodePort } = spec;
  const addresses = [...spec.clusterIPs, ...spec.externalIPs, ...spec.loadBalancerIPs];
  return (
    addresses.every((address) => parseAddress(address) === address) &&
    spec.loadBalancerSourceRanges.every((range) => parsePrefix(range) === range) &&
    [spec.internalTrafficPolicy, spec.externalTrafficPolicy].every((policy) =>
      ['Cluster', 'Local'].includes(policy),
    ) &&
    Number.isInteger(seconds) &&
    (healthCheckNodePort === undefined || isPort(healthCheckNodePort)) &&
    ports.every(({ port, nodePort }) => isPort(port) && (nodePort === 0 || isPort(nodePort)))
  );
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65535;
}

function specOf(json: unknown): ServiceSpec | undefined {
  const parsed = parseService(json);
  return 'spec' in parsed ? parsed.spec : undefined;
}
