// SPDX-License-Identifier: Apache-2.0
// What the store makes of an updated Service: what is kept, what a new type drops, what is refused; and its
// status, as a cloud's controller writes it (semantics: Service API).

import test from 'ava';
import { type KubeObject, ObjectStore } from '../../lab/object-store.ts';
import { type ServiceSpecObject, serviceSpec } from '../../lab/service-spec.ts';
import { send, serve } from './api-client.ts';

const service = (spec: object, name = 'web'): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name },
  spec: { selector: { app: 'web' }, ports: [{ port: 80 }], ...spec },
});
const ranges = { serviceCidrs: ['10.96.0.0/16', 'fd00:10:96::/112'] } as const;

/** A Service, and what becomes of its spec by updates. */
function start(spec: object) {
  const store = new ObjectStore(ranges);
  const created = serviceSpec(store.create(service(spec)));
  const current = () => serviceSpec(store.get('Service', 'default', 'web') as KubeObject);
  return {
    store,
    created,
    current,
    /** As `kubectl replace` does. */
    replace: (next: object) => serviceSpec(store.update(service(next))),
    /** As a patch does, which leaves everything else as it is. */
    patch: (next: object) => serviceSpec(store.update(service({ ...current(), ...next }))),
  };
}

const nodePorts = ({ ports }: ServiceSpecObject) => ports?.map((port) => port.nodePort);

test('addresses and node ports that are left out are kept; node ports go by the name of the port', (t) => {
  const two = [
    { name: 'a', port: 80 },
    { name: 'b', port: 81 },
  ];
  const { created, replace } = start({ type: 'NodePort', ports: two });
  t.deepEqual(nodePorts(created), [30_086, 30_087]);
  const moved = replace({
    type: 'NodePort',
    ports: [
      { name: 'b', port: 8081 },
      { name: 'c', port: 82 },
      { name: 'a', port: 80 },
    ],
  });
  t.deepEqual(nodePorts(moved), [30_087, 30_088, 30_086]);
  t.deepEqual(moved.clusterIPs, created.clusterIPs);
  const taken = replace({
    type: 'NodePort',
    ports: [
      { name: 'a', port: 80 },
      { name: 'b', port: 81, nodePort: 30_086 },
    ],
  });
  // What it still had when the update came is no longer free, and not yet.
  t.deepEqual(nodePorts(taken), [30_089, 30_086]);
});

test('a node port that an update gives up is free at once', (t) => {
  const { store, replace } = start({ type: 'NodePort', ports: [{ port: 80, nodePort: 30_080 }] });
  replace({ type: 'NodePort', ports: [{ port: 80, nodePort: 30_081 }] });
  const next = service({ type: 'NodePort', ports: [{ port: 80, nodePort: 30_080 }] }, 'next');
  t.deepEqual(nodePorts(serviceSpec(store.create(next))), [30_080]);
});

test('an update that is refused changes nothing and frees nothing', (t) => {
  const { store, current, patch } = start({ type: 'NodePort' });
  const before = current();
  store.create(service({ type: 'NodePort', ports: [{ port: 80, nodePort: 30_080 }] }, 'other'));
  t.throws(() => patch({ ports: [{ port: 80, nodePort: 30_080 }] }), {
    message: /already allocated/,
  });
  t.deepEqual(current(), before);
  const [nodePort] = nodePorts(before) ?? [];
  t.throws(
    () => store.create(service({ type: 'NodePort', ports: [{ port: 80, nodePort }] }, 'x')),
    {
      message: /already allocated/,
    },
  );
});

const changes: [
  title: string,
  from: object,
  change: object,
  expected: Partial<ServiceSpecObject>,
  gone: string[],
][] = [
  [
    'LoadBalancer to ClusterIP',
    { type: 'LoadBalancer', externalTrafficPolicy: 'Local', loadBalancerClass: 'example.org/lb' },
    { type: 'ClusterIP' },
    {
      clusterIP: '10.96.1.0',
      ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
    },
    [
      'externalTrafficPolicy',
      'healthCheckNodePort',
      'allocateLoadBalancerNodePorts',
      'loadBalancerClass',
    ],
  ],
  [
    'LoadBalancer to NodePort',
    { type: 'LoadBalancer', externalTrafficPolicy: 'Local' },
    { type: 'NodePort' },
    {
      externalTrafficPolicy: 'Local',
      ports: [{ port: 80, protocol: 'TCP', targetPort: 80, nodePort: 30_086 }],
    },
    ['healthCheckNodePort', 'allocateLoadBalancerNodePorts'],
  ],
  [
    'local to cluster-wide',
    { type: 'LoadBalancer', externalTrafficPolicy: 'Local' },
    { externalTrafficPolicy: 'Cluster' },
    { type: 'LoadBalancer' },
    ['healthCheckNodePort'],
  ],
  [
    'cluster-wide to local',
    { type: 'LoadBalancer' },
    { externalTrafficPolicy: 'Local' },
    { healthCheckNodePort: 30_087 },
    [],
  ],
  [
    'ClusterIP to NodePort',
    {},
    { type: 'NodePort' },
    {
      clusterIP: '10.96.1.0',
      externalTrafficPolicy: 'Cluster',
      ports: [{ port: 80, protocol: 'TCP', targetPort: 80, nodePort: 30_086 }],
    },
    [],
  ],
  [
    'ClusterIP to ExternalName',
    { ipFamilyPolicy: 'PreferDualStack' },
    { type: 'ExternalName', externalName: 'a.example.org' },
    { externalName: 'a.example.org' },
    ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy'],
  ],
  [
    'NodePort to ExternalName',
    { type: 'NodePort' },
    { type: 'ExternalName', externalName: 'a.example.org' },
    { ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }] },
    ['clusterIP', 'clusterIPs', 'externalTrafficPolicy'],
  ],
  [
    'ExternalName to NodePort',
    { type: 'ExternalName', externalName: 'a.example.org' },
    { type: 'NodePort' },
    {
      clusterIP: '10.96.1.0',
      ports: [{ port: 80, protocol: 'TCP', targetPort: 80, nodePort: 30_086 }],
    },
    [],
  ],
  [
    'the last external address goes',
    { externalIPs: ['192.0.2.7'] },
    { externalIPs: [] },
    { type: 'ClusterIP' },
    ['externalTrafficPolicy'],
  ],
  [
    'from one family to two',
    {},
    { ipFamilyPolicy: 'RequireDualStack' },
    { clusterIPs: ['10.96.1.0', 'fd00:10:96::100'], ipFamilies: ['IPv4', 'IPv6'] },
    [],
  ],
  [
    'from two families to one',
    { ipFamilyPolicy: 'RequireDualStack' },
    { ipFamilyPolicy: 'SingleStack' },
    { clusterIPs: ['10.96.1.0'], ipFamilies: ['IPv4'] },
    [],
  ],
  [
    'affinity is switched off',
    { sessionAffinity: 'ClientIP' },
    { sessionAffinity: 'None' },
    { sessionAffinity: 'None' },
    ['sessionAffinityConfig'],
  ],
];
for (const [title, from, change, expected, gone] of changes) {
  test(`changed: ${title}`, (t) => {
    const { patch, current } = start(from);
    const after = patch(change);
    t.like(after, expected);
    t.deepEqual(
      gone.filter((field) => field in current()),
      [],
    );
  });
}

test('what an ExternalName Service had as another type, others can have', (t) => {
  const { store, patch } = start({ type: 'NodePort', ports: [{ port: 80, nodePort: 30_080 }] });
  patch({ type: 'ExternalName', externalName: 'a.example.org' });
  const next = {
    type: 'NodePort',
    clusterIP: '10.96.1.0',
    ports: [{ port: 80, nodePort: 30_080 }],
  };
  t.is(serviceSpec(store.create(service(next, 'next'))).clusterIP, '10.96.1.0');
});

const local = { type: 'LoadBalancer', externalTrafficPolicy: 'Local' };
const refusals: [title: string, from: object, change: object, problem: RegExp][] = [
  ['another address', {}, { clusterIP: '10.96.0.77' }, /may not change once set/],
  [
    'another address, in both fields',
    {},
    { clusterIP: '10.96.0.77', clusterIPs: ['10.96.0.77'] },
    /may not change once set/,
  ],
  ['an address becomes headless', {}, { clusterIP: 'None' }, /may not change once set/],
  [
    'fields that contradict each other',
    {},
    { clusterIP: '10.96.1.0', clusterIPs: ['10.96.0.77'] },
    /first value must match/,
  ],
  [
    'a new node port on the way to ClusterIP',
    { type: 'NodePort' },
    { type: 'ClusterIP', ports: [{ port: 80, nodePort: 30_099 }] },
    /may not be used when `type` is 'ClusterIP'/,
  ],
  ['another health check port', local, { healthCheckNodePort: 30_500 }, /field is immutable/],
];
for (const [title, from, change, problem] of refusals) {
  test(`refused: ${title}`, (t) => {
    const { patch, current } = start(from);
    const before = current();
    t.like(
      t.throws(() => patch(change), { message: problem }),
      { code: 422 },
    );
    t.deepEqual(current(), before);
  });
}

const STATUS = '/api/v1/namespaces/default/services/web/status';
const ingress = (...given: object[]) => ({ status: { loadBalancer: { ingress: given } } });
const MERGE = 'application/merge-patch+json';
const STRATEGIC = 'application/strategic-merge-patch+json';

test('status: a cloud’s controller sets the addresses of a load balancer; without a mode they are VIPs', async (t) => {
  const { store, url } = await serve(t);
  store.create(service({ type: 'LoadBalancer' }));
  const shown = () => store.get('Service', 'default', 'web')?.status;
  for (const mediaType of [MERGE, STRATEGIC]) {
    const patch = ingress({ ip: '192.0.2.10' }, { ip: '192.0.2.11', ipMode: 'Proxy' });
    t.is((await send('PATCH', url + STATUS, patch, mediaType)).status, 200);
    t.deepEqual(shown(), {
      loadBalancer: {
        ingress: [
          { ip: '192.0.2.10', ipMode: 'VIP' },
          { ip: '192.0.2.11', ipMode: 'Proxy' },
        ],
      },
    });
    const current = (await send('GET', `${url}${STATUS}`)).body;
    await send('PUT', url + STATUS, { ...current, ...ingress({ hostname: 'lb.example.org' }) });
    t.deepEqual(shown(), { loadBalancer: { ingress: [{ hostname: 'lb.example.org' }] } });
  }
});

test('status: it goes with the type', async (t) => {
  const { store, url } = await serve(t);
  store.create(service({ type: 'LoadBalancer' }));
  await send('PATCH', url + STATUS, ingress({ ip: '192.0.2.10' }), MERGE);
  const patch = { spec: { type: 'ClusterIP' } };
  const { body } = await send('PATCH', url + STATUS.replace('/status', ''), patch, STRATEGIC);
  t.deepEqual(body.status, { loadBalancer: {} });
});

test('status: whoever creates a Service cannot set it', async (t) => {
  const { url } = await serve(t);
  const given = { ...service({ type: 'LoadBalancer' }), ...ingress({ ip: '192.0.2.10' }) };
  const { body } = await send('POST', `${url}/api/v1/namespaces/default/services`, given);
  t.deepEqual(body.status, { loadBalancer: {} });
});

const statusRefusals: [title: string, type: string, status: object, problem: RegExp][] = [
  ['of another type', 'NodePort', ingress({ ip: '192.0.2.10' }), /only be used when `spec.type`/],
  ['an address that is none', 'LoadBalancer', ingress({ ip: 'lb' }), /ingress\[0\]\.ip: Invalid/],
  [
    'a mode of no address',
    'LoadBalancer',
    ingress({ hostname: 'x', ipMode: 'VIP' }),
    /ipMode: Forb/,
  ],
  [
    'another mode',
    'LoadBalancer',
    ingress({ ip: '192.0.2.1', ipMode: 'X' }),
    /ipMode: Unsupported/,
  ],
];
for (const [title, type, status, problem] of statusRefusals) {
  test(`status refused: ${title}`, async (t) => {
    const { store, url } = await serve(t);
    store.create(service({ type }));
    const { body } = await send('PATCH', url + STATUS, status, MERGE);
    t.like(body, { code: 422 });
    t.regex(String(body.message), problem);
  });
}
