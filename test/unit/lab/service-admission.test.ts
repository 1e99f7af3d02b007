// SPDX-License-Identifier: Apache-2.0
// What the store makes of a Service: addresses, node ports, defaults, refusals (semantics: Service API).

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
    'ClientIP affinity',
    { sessionAffinity: 'ClientIP' },
    { sessionAffinityConfig: { clientIP: { timeoutSeconds: 10_800 } } },
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

test('an update keeps addresses and node ports that it leaves out; delete frees them', (t) => {
  const store = new ObjectStore(ranges);
  const before = serviceSpec(store.create(service({ type: 'NodePort' })));
  const after = serviceSpec(
    store.update(
      service({
        type: 'NodePort',
        ports: [http, { port: 81 }].map((port, i) => ({ ...port, name: `p${i}` })),
      }),
    ),
  );
  t.is(after.clusterIP, before.clusterIP);
  t.is(after.ports?.[0]?.nodePort, before.ports?.[0]?.nodePort);
  t.is(after.ports?.[1]?.nodePort, 30_087);
  const plain = serviceSpec(store.update(service({ type: 'ClusterIP' })));
  t.is(plain.ports?.[0]?.nodePort, undefined);
  t.throws(() => store.update(service({ clusterIP: '10.96.0.77' })), { message: /may not change/ });
  store.delete('Service', 'default', 'web');
  t.is(admitted({ clusterIP: before.clusterIP }, store).clusterIP, before.clusterIP);
});
