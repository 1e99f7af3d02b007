// SPDX-License-Identifier: Apache-2.0
// Which Services are read, ignored, and refused (semantics 1.1, 1.3).

import test from 'ava';
import fc from 'fast-check';
import { parseService } from '../../../agent/cluster/service.ts';
import type { Parsed } from '../../../agent/model/cluster-state.ts';
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
  ports: [{ name: '', protocol: 'TCP', port: 80 }],
};

const reads = test.macro({
  exec(t, json: unknown, expected: object) {
    t.deepEqual(parseService(json), { spec: { ...QUIZ, ...expected } } as never);
  },
  title: (what) => `a Service is read: ${what}`,
});

const ignores = test.macro({
  exec(t, json: unknown) {
    t.deepEqual(Object.keys(parseService(json)), ['ignored']);
  },
  title: (what) => `a Service is ignored: ${what}`,
});

const refuses = test.macro({
  exec(t, json: unknown, reason: string) {
    t.deepEqual(parseService(json), { invalid: reason } as Parsed<ServiceSpec>);
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
      { name: 'dns', protocol: 'UDP', port: 53 },
      { name: 'dns', protocol: 'TCP', port: 53 },
      { name: 'sctp', protocol: 'SCTP', port: 65535 },
      { name: 'one', protocol: 'TCP', port: 1 },
    ],
  },
);
test(
  'a type of NodePort or LoadBalancer does not matter',
  reads,
  service({ type: 'NodePort' }),
  {},
);

test('headless', ignores, service({ clusterIP: 'None', clusterIPs: ['None'] }));
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

test('any JSON gives a spec, a reason to ignore, or a reason to refuse; never an exception', (t) => {
  fc.assert(
    fc.property(hostileJson(service()), (json) => {
      const parsed = parseService(json);
      return 'spec' in parsed || 'ignored' in parsed || parsed.invalid !== '';
    }),
    { numRuns: 1000 },
  );
  t.pass();
});
