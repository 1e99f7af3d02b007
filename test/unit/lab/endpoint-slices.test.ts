// SPDX-License-Identifier: Apache-2.0
// Which EndpointSlices a Service has, row by row as Kubernetes' controller decides.

import test from 'ava';
import type { Endpoint } from '../../lab/endpoint.ts';
import {
  type DesiredSlice,
  desiredSlices,
  MAX_ENDPOINTS_PER_SLICE,
} from '../../lab/endpoint-slices.ts';
import type { KubeObject, ObjectMeta } from '../../lab/object-store.ts';

const service = (spec: object = {}, metadata: Partial<ObjectMeta> = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { namespace: 'default', ...metadata, name: 'web' },
  spec: {
    selector: { app: 'web' },
    ipFamilies: ['IPv4'],
    ports: [{ name: 'http', protocol: 'TCP', port: 80, targetPort: 8080 }],
    ...spec,
  },
});

interface PodOptions {
  readonly ips?: string[];
  readonly ready?: boolean;
  readonly phase?: string;
  readonly metadata?: Partial<ObjectMeta>;
  readonly spec?: object;
}
const pod = (
  name: string,
  { ips = ['10.244.0.1'], ready = true, ...more }: PodOptions = {},
): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { namespace: 'default', uid: `uid-${name}`, ...more.metadata, name },
  spec: { nodeName: 'n1', containers: [], ...more.spec },
  status: {
    phase: more.phase ?? 'Running',
    podIPs: ips.map((ip) => ({ ip })),
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
  },
});
const asSlice = ({ name = 'web-new', ...slice }: DesiredSlice): KubeObject => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name, namespace: 'default', labels: slice.labels },
  ...slice,
});

test('one ready Pod: the whole slice', (t) => {
  const zoneOf = (node: string) => `zone-of-${node}`;
  t.deepEqual(desiredSlices(service(), [pod('a')], { zoneOf }), [
    {
      labels: {
        'kubernetes.io/service-name': 'web',
        'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
      },
      addressType: 'IPv4',
      ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
      endpoints: [
        {
          addresses: ['10.244.0.1'],
          conditions: { ready: true, serving: true, terminating: false },
          nodeName: 'n1',
          zone: 'zone-of-n1',
          targetRef: { kind: 'Pod', namespace: 'default', name: 'a', uid: 'uid-a' },
        },
      ],
    },
  ]);
});

const leaving = { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } };
const named = (spec: object) =>
  service({ ports: [{ name: 'http', protocol: 'TCP', port: 80, targetPort: 'web' }], ...spec });
const listens = (containerPort: number) => ({
  spec: { containers: [{ ports: [{ name: 'web', containerPort }] }] },
});

const conditions: [
  title: string,
  service: KubeObject,
  pod: KubeObject,
  expected: Endpoint['conditions'] | 'absent',
][] = [
  ['ready', service(), pod('a'), { ready: true, serving: true, terminating: false }],
  [
    'not ready',
    service(),
    pod('a', { ready: false }),
    { ready: false, serving: false, terminating: false },
  ],
  [
    'terminating and serving',
    service(),
    pod('a', leaving),
    { ready: false, serving: true, terminating: true },
  ],
  [
    'terminating and no longer serving',
    service(),
    pod('a', { ...leaving, ready: false }),
    { ready: false, serving: false, terminating: true },
  ],
  [
    'publishNotReadyAddresses',
    service({ publishNotReadyAddresses: true }),
    pod('a', { ...leaving, ready: false }),
    { ready: true, serving: false, terminating: true },
  ],
  ['no address yet', service(), pod('a', { ips: [] }), 'absent'],
  ['succeeded', service(), pod('a', { phase: 'Succeeded' }), 'absent'],
  ['failed', service(), pod('a', { phase: 'Failed' }), 'absent'],
  ['the other family', service(), pod('a', { ips: ['fd00::1'] }), 'absent'],
];
for (const [title, of, member, expected] of conditions) {
  test(`conditions: ${title}`, (t) => {
    const [slice] = desiredSlices(of, [member]);
    t.deepEqual(
      slice?.endpoints.map((endpoint) => endpoint.conditions),
      expected === 'absent' ? [] : [expected],
    );
  });
}

const shapes: [title: string, service: KubeObject, pods: KubeObject[], expected: string[]][] = [
  ['no Pod: an empty slice', service(), [], ['IPv4  =']],
  [
    'dual-stack: a slice each',
    service({ ipFamilies: ['IPv4', 'IPv6'] }),
    [pod('a', { ips: ['10.244.0.1', 'fd00::1'] })],
    ['IPv4 http:8080 = 10.244.0.1', 'IPv6 http:8080 = fd00::1'],
  ],
  [
    'a named target port that differs: a slice each',
    named({}),
    [
      pod('a', listens(8080)),
      pod('b', { ips: ['10.244.0.2'], ...listens(9090) }),
      pod('c', { ips: ['10.244.0.3'], ...listens(8080) }),
    ],
    ['IPv4 http:8080 = 10.244.0.1 10.244.0.3', 'IPv4 http:9090 = 10.244.0.2'],
  ],
  [
    'a named target port that the Pod lacks is left out',
    named({}),
    [pod('a')],
    ['IPv4  = 10.244.0.1'],
  ],
  [
    'a sidecar’s port counts',
    named({}),
    [
      pod('a', {
        spec: {
          initContainers: [
            { restartPolicy: 'Always', ports: [{ name: 'web', containerPort: 7070 }] },
          ],
        },
      }),
    ],
    ['IPv4 http:7070 = 10.244.0.1'],
  ],
  [
    'a named target port of another protocol does not count',
    named({ ports: [{ name: 'u', protocol: 'UDP', port: 80, targetPort: 'web' }] }),
    [pod('a', listens(8080))],
    ['IPv4  = 10.244.0.1'],
  ],
];
const shapeOf = ({ addressType, ports, endpoints }: DesiredSlice) =>
  `${addressType} ${ports.map((port) => `${port.name}:${port.port}`).join(',')} = ${endpoints.map((e) => e.addresses[0]).join(' ')}`.trimEnd();
for (const [title, of, pods, expected] of shapes) {
  test(`slices: ${title}`, (t) => {
    t.deepEqual(desiredSlices(of, pods).map(shapeOf), expected);
  });
}

test('labels: the Service’s own come along, reserved ones do not, headless is marked', (t) => {
  const labels = { team: 'x', 'kubernetes.io/service-name': 'lie' };
  const [slice] = desiredSlices(service({ clusterIP: 'None' }, { labels }), []);
  t.like(slice?.labels, {
    team: 'x',
    'kubernetes.io/service-name': 'web',
    'service.kubernetes.io/headless': '',
  });
});

test('hostname: only when the subdomain is this Service', (t) => {
  const hostnameIn = (subdomain: string) =>
    desiredSlices(service(), [pod('a', { spec: { hostname: 'a', subdomain } })])[0]?.endpoints[0]
      ?.hostname;
  t.is(hostnameIn('web'), 'a');
  t.is(hostnameIn('other'), undefined);
});

const FOR_ZONE = { forZones: [{ name: 'z' }] };
const FOR_NODE = { forNodes: [{ name: 'n1' }] };
const hints: [
  trafficDistribution: string | undefined,
  zone: string | undefined,
  ready: boolean,
  expected: Endpoint['hints'],
][] = [
  [undefined, 'z', true, undefined],
  ['PreferClose', 'z', true, FOR_ZONE],
  ['PreferSameZone', 'z', true, FOR_ZONE],
  ['PreferSameZone', undefined, true, undefined],
  ['PreferSameZone', 'z', false, undefined],
  ['PreferSameNode', 'z', true, { ...FOR_ZONE, ...FOR_NODE }],
  ['PreferSameNode', undefined, true, FOR_NODE],
  ['PreferSameNode', 'z', false, undefined],
];
for (const [trafficDistribution, zone, ready, expected] of hints) {
  test(`hints: ${trafficDistribution}, zone ${zone}, ${ready ? 'ready' : 'not ready'}`, (t) => {
    const of = service(trafficDistribution === undefined ? {} : { trafficDistribution });
    const [slice] = desiredSlices(of, [pod('a', { ready })], { zoneOf: () => zone });
    t.deepEqual(slice?.endpoints[0]?.hints, expected);
  });
}

test('hints: a pod without a node has none', (t) => {
  const of = service({ trafficDistribution: 'PreferSameNode' });
  const [slice] = desiredSlices(of, [pod('a', { spec: { nodeName: undefined } })]);
  t.is(slice?.endpoints[0]?.hints, undefined);
});

const crowd = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) =>
    pod(`p${from + i}`, { ips: [`10.244.${(from + i) >> 8}.${(from + i) & 255}`] }),
  );

test('more than a hundred endpoints: several slices', (t) => {
  const sizes = desiredSlices(service(), crowd(0, 250)).map((slice) => slice.endpoints.length);
  t.deepEqual(sizes, [MAX_ENDPOINTS_PER_SLICE, MAX_ENDPOINTS_PER_SLICE, 50]);
});

test('a change stays in the slice that it touches', (t) => {
  const named = desiredSlices(service(), crowd(0, 250)).map((slice, i) =>
    asSlice({ ...slice, name: `web-${i}` }),
  );
  const unchanged = desiredSlices(service(), crowd(0, 250).reverse(), { existing: named });
  t.deepEqual(unchanged.map(asSlice), named);
  // One leaves the first slice; its place is taken by a newcomer.
  const after = desiredSlices(service(), crowd(1, 251), { existing: named });
  t.deepEqual(
    after.map((slice) => slice.name),
    ['web-0', 'web-1', 'web-2'],
  );
  t.deepEqual(after.slice(1).map(asSlice), named.slice(1));
  t.is(after[0]?.endpoints.at(-1)?.addresses[0], '10.244.0.250');
});

test('a slice without endpoints left is recycled for new ports, or goes', (t) => {
  const existing = desiredSlices(service(), [pod('a')]).map((slice) =>
    asSlice({ ...slice, name: 'web-1' }),
  );
  const moved = desiredSlices(
    service({ ports: [{ name: 'http', protocol: 'TCP', port: 80, targetPort: 9090 }] }),
    [pod('a')],
    { existing },
  );
  t.deepEqual(
    moved.map(({ name, ports }) => [name, ports[0]?.port]),
    [['web-1', 9090]],
  );
  const emptied = desiredSlices(service(), [], { existing });
  t.deepEqual(
    emptied.map(({ name, endpoints }) => [name, endpoints]),
    [['web-1', []]],
  );
});
