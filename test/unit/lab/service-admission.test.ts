// SPDX-License-Identifier: Apache-2.0
// What the store makes of a new Service: addresses, node ports, defaults, refusals (semantics: Service API).
// Updates are in service-update.test.ts.

import test from 'ava';
import { ApiError, type KubeObject, ObjectStore } from '../../lab/object-store.ts';
import { type ServiceSpecObject, serviceSpec } from '../../lab/service-spec.ts';

const http = { port: 80 };
const service = (spec: object, name = 'web'): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name },
  spec: { selector: { app: 'web' }, ports: [http], ...spec },
});
const ranges = { serviceCidrs: ['10.96.0.0/16', 'fd00:10:96::/112'] } as const;
const admitted = (spec: object, store = new ObjectStore(ranges)) =>
  serviceSpec(store.create(service(spec)));

const rows: [title: string, given: object, expected: Partial<ServiceSpecObject>][] = [
  [
    'defaults',
    {},
    {
      type: 'ClusterIP',
      clusterIP: '10.96.1.0',
      clusterIPs: ['10.96.1.0'],
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      sessionAffinity: 'None',
      internalTrafficPolicy: 'Cluster',
      ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
    },
  ],
  ['a given address', { clusterIP: '10.96.0.10' }, { clusterIPs: ['10.96.0.10'] }],
  [
    'PreferDualStack',
    { ipFamilyPolicy: 'PreferDualStack' },
    { clusterIPs: ['10.96.1.0', 'fd00:10:96::100'], ipFamilies: ['IPv4', 'IPv6'] },
  ],
  [
    'IPv6 first',
    { ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv6', 'IPv4'] },
    { clusterIP: 'fd00:10:96::100', clusterIPs: ['fd00:10:96::100', '10.96.1.0'] },
  ],
  ['IPv6 only', { ipFamilies: ['IPv6'] }, { clusterIPs: ['fd00:10:96::100'] }],
  [
    'headless with a selector',
    { clusterIP: 'None' },
    { clusterIPs: ['None'], ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' },
  ],
  [
    'headless without a selector takes any family',
    { clusterIP: 'None', selector: undefined, ports: undefined },
    { clusterIPs: ['None'], ipFamilies: ['IPv4', 'IPv6'], ipFamilyPolicy: 'RequireDualStack' },
  ],
  [
    'NodePort',
    { type: 'NodePort', ports: [{ port: 80 }] },
    {
      externalTrafficPolicy: 'Cluster',
      ports: [{ port: 80, protocol: 'TCP', targetPort: 80, nodePort: 30_086 }],
    },
  ],
  [
    'LoadBalancer that keeps to local endpoints',
    { type: 'LoadBalancer', externalTrafficPolicy: 'Local' },
    { allocateLoadBalancerNodePorts: true, healthCheckNodePort: 30_087 },
  ],
  [
    'LoadBalancer without node ports, but for the one that it asks for',
    {
      type: 'LoadBalancer',
      allocateLoadBalancerNodePorts: false,
      ports: [
        { name: 'a', port: 80 },
        { name: 'b', port: 81, nodePort: 30_500 },
      ],
    },
    {
      externalTrafficPolicy: 'Cluster',
      ports: [
        { name: 'a', port: 80, protocol: 'TCP', targetPort: 80 },
        { name: 'b', port: 81, protocol: 'TCP', targetPort: 81, nodePort: 30_500 },
      ],
    },
  ],
  [
    'external addresses have a policy',
    { externalIPs: ['192.0.2.7'] },
    { externalTrafficPolicy: 'Cluster' },
  ],
  [
    'policies that are given stay',
    { internalTrafficPolicy: 'Local' },
    { internalTrafficPolicy: 'Local' },
  ],
  [
    'ClientIP affinity',
    { sessionAffinity: 'ClientIP' },
    { sessionAffinityConfig: { clientIP: { timeoutSeconds: 10_800 } } },
  ],
  [
    'ClientIP affinity with a time-out of its own',
    { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 5 } } },
    { sessionAffinityConfig: { clientIP: { timeoutSeconds: 5 } } },
  ],
  [
    'ExternalName',
    { type: 'ExternalName', externalName: 'db.example.org', ports: undefined },
    { externalName: 'db.example.org' },
  ],
];
for (const [title, given, expected] of rows) {
  test(`admitted: ${title}`, (t) => {
    t.like(admitted(given), expected);
  });
}

test('fields that say nothing are not there', (t) => {
  const given = { sessionAffinityConfig: { clientIP: { timeoutSeconds: 5 } } };
  const fields = Object.keys(admitted(given));
  for (const field of ['sessionAffinityConfig', 'externalTrafficPolicy', 'healthCheckNodePort']) {
    t.false(fields.includes(field), field);
  }
});

test('an ExternalName Service has no address', (t) => {
  const spec = admitted({ type: 'ExternalName', externalName: 'db.example.org' });
  t.false('clusterIP' in spec || 'ipFamilies' in spec);
});

const refusals: [title: string, given: object, problem: RegExp][] = [
  ['no ports', { ports: [] }, /spec\.ports: Required/],
  ['two unnamed ports', { ports: [{ port: 80 }, { port: 81 }] }, /ports\[0\]\.name: Required/],
  [
    'one port twice',
    {
      ports: [
        { name: 'a', port: 80 },
        { name: 'b', port: 80 },
      ],
    },
    /Duplicate value: TCP\/80/,
  ],
  ['port 0', { ports: [{ port: 0 }] }, /must be between 1 and 65535/],
  ['an address outside', { clusterIP: '10.0.0.1' }, /not in the valid range/],
  ['an address in use', { clusterIP: '10.96.0.10' }, /already allocated/],
  [
    'a node port in use',
    { type: 'NodePort', ports: [{ port: 80, nodePort: 30_000 }] },
    /already allocated/,
  ],
  [
    'a node port in use under another protocol',
    { type: 'NodePort', ports: [{ port: 80, protocol: 'UDP', nodePort: 30_000 }] },
    /ports\[0\]\.nodePort: Invalid value: 30000: provided port is already allocated/,
  ],
  [
    'a node port out of range',
    { type: 'NodePort', ports: [{ port: 80, nodePort: 8080 }] },
    /8080: provided port is not in the valid range\. .*30000-32767/,
  ],
  [
    'one node port for two ports',
    {
      type: 'NodePort',
      ports: [
        { name: 'a', port: 80, nodePort: 30_080 },
        { name: 'b', port: 81, nodePort: 30_080 },
      ],
    },
    /ports\[1\]\.nodePort: Duplicate value: 30080/,
  ],
  [
    'a node port of a ClusterIP Service',
    { ports: [{ port: 80, nodePort: 30_080 }] },
    /nodePort: Forbidden: may not be used when `type` is 'ClusterIP'/,
  ],
  [
    'an external policy without external addresses',
    { externalTrafficPolicy: 'Local' },
    /may only be set for externally-accessible/,
  ],
  [
    'a policy that does not exist',
    { type: 'NodePort', externalTrafficPolicy: 'Nearby' },
    /externalTrafficPolicy: Unsupported value: "Nearby"/,
  ],
  [
    'an internal policy that does not exist',
    { internalTrafficPolicy: 'Nearby' },
    /internalTrafficPolicy: Unsupported/,
  ],
  [
    'a distribution that does not exist',
    { trafficDistribution: 'PreferFar' },
    /trafficDistribution: Unsupported/,
  ],
  [
    'an affinity that does not exist',
    { sessionAffinity: 'Cookie' },
    /sessionAffinity: Unsupported/,
  ],
  [
    'an affinity of more than a day',
    {
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 90_000 } },
    },
    /timeoutSeconds: Invalid value: 90000/,
  ],
  [
    'an external address that is none',
    { externalIPs: ['example.org'] },
    /externalIPs\[0\]: Invalid/,
  ],
  ['a loopback address', { externalIPs: ['127.0.0.1'] }, /may not be loopback/],
  [
    'source ranges without a load balancer',
    { loadBalancerSourceRanges: ['10.0.0.0/8'] },
    /SourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'/,
  ],
  [
    'a source range that is none',
    { type: 'LoadBalancer', loadBalancerSourceRanges: ['10.0.0.0/8', '10.0.0.0/33'] },
    /SourceRanges\[1\]: Invalid value: "10\.0\.0\.0\/33"/,
  ],
  [
    'a health check port that nobody needs',
    { type: 'LoadBalancer', healthCheckNodePort: 30_500 },
    /healthCheckNodePort: Invalid value: 30500: may only be set/,
  ],
  [
    'ExternalName with an address',
    { type: 'ExternalName', externalName: 'a.example.org', clusterIP: '10.96.0.11' },
    /may not be set for ExternalName/,
  ],
  ['headless NodePort', { type: 'NodePort', clusterIP: 'None' }, /None/],
  ['ExternalName without a name', { type: 'ExternalName' }, /externalName: Required/],
  ['a type that does not exist', { type: 'Magic' }, /spec\.type: Unsupported/],
];
for (const [title, given, problem] of refusals) {
  test(`refused: ${title}`, (t) => {
    const store = new ObjectStore(ranges);
    const taken = {
      clusterIP: '10.96.0.10',
      type: 'NodePort',
      ports: [{ port: 1, nodePort: 30_000 }],
    };
    store.create(service(taken, 'first'));
    t.like(
      t.throws(() => store.create(service(given)), { instanceOf: ApiError }),
      { code: 422 },
    );
    t.throws(() => store.create(service(given)), { message: problem });
  });
}

test('RequireDualStack needs two families', (t) => {
  const store = new ObjectStore({ serviceCidrs: ['10.96.0.0/16'] });
  t.throws(() => store.create(service({ ipFamilyPolicy: 'RequireDualStack' })), {
    message: /not configured for dual-stack/,
  });
  t.like(admitted({ ipFamilyPolicy: 'PreferDualStack' }, store), { ipFamilies: ['IPv4'] });
});

test('a refused Service holds no address', (t) => {
  const store = new ObjectStore({ serviceCidrs: ['10.96.0.0/30'], nodePorts: [30_000, 30_000] });
  store.create(service({ type: 'NodePort' }, 'first'));
  t.throws(() => store.create(service({ type: 'NodePort' }, 'second')), { message: /is full/ });
  t.is(serviceSpec(store.create(service({}, 'third'))).clusterIP, '10.96.0.2');
  t.throws(() => store.create(service({}, 'fourth')), { message: /is full/ });
});

test('a Service may have one node port for two protocols; unasked, ports of one number share it', (t) => {
  const dns = [
    { name: 'dns', port: 53, protocol: 'UDP' },
    { name: 'dns-tcp', port: 53, protocol: 'TCP' },
    { name: 'metrics', port: 9153 },
  ];
  const nodePorts = (spec: object) => admitted(spec).ports?.map((port) => port.nodePort);
  t.deepEqual(nodePorts({ type: 'NodePort', ports: dns }), [30_086, 30_086, 30_087]);
  const [first, second] = dns;
  const asked = { type: 'NodePort', ports: [first, { ...second, nodePort: 30_053 }] };
  t.deepEqual(nodePorts(asked), [30_053, 30_053]);
});

test('a health check port in use is an internal error, as in Kubernetes', (t) => {
  const store = new ObjectStore(ranges);
  const local = { type: 'LoadBalancer', externalTrafficPolicy: 'Local' };
  store.create(service({ ...local, healthCheckNodePort: 30_500 }, 'first'));
  t.like(
    t.throws(() => store.create(service({ ...local, healthCheckNodePort: 30_500 }))),
    { code: 500 },
  );
});

test('what a deleted Service had is free again', (t) => {
  const store = new ObjectStore(ranges);
  const spec = {
    clusterIP: '10.96.0.10',
    type: 'LoadBalancer',
    externalTrafficPolicy: 'Local',
    healthCheckNodePort: 30_501,
    ports: [{ port: 80, nodePort: 30_500 }],
  };
  store.create(service(spec));
  store.delete('Service', 'default', 'web');
  t.like(serviceSpec(store.create(service(spec, 'next'))), {
    clusterIP: '10.96.0.10',
    healthCheckNodePort: 30_501,
    ports: { 0: { nodePort: 30_500 } },
  });
});
