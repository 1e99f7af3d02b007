// SPDX-License-Identifier: Apache-2.0
// The oracle against hand-written answers: at least one case for each row and note of the semantics 1.1 to 1.10,
// each written so that it fails without that rule.

import test from 'ava';
import { decisionText, parseDestination } from '../../oracle/decision-text.ts';
import { decide } from '../../oracle/oracle.ts';
import type {
  NodeDescription,
  RawCluster,
  RawEndpoint,
  RawEndpointSlice,
  RawIngress,
  RawService,
} from '../../oracle/raw-objects.ts';

const NODE: NodeDescription = {
  nodeName: 'node-1',
  nodeIPs: ['10.0.0.11', '10.0.0.99', 'fd00:10::11'],
  localAddresses: ['10.0.0.11', '192.168.7.7', '10.244.1.1', 'fd00:10::11'],
  clusterCIDRs: ['10.244.0.0/16', 'fd00:244::/56'],
  serviceCIDRs: ['10.96.0.0/16', 'fd00:96::/112'],
  masqueradeAll: false,
};
const NO_DETECTOR = { clusterCIDRs: [] };

const POD = '10.244.1.9';
const OUTSIDE = '198.51.100.7';

const QUOTE = 'TCP 10.96.0.1:80';
const EXTERNAL_IP = 'TCP 203.0.113.5:80';
const BALANCER = 'TCP 203.0.113.6:80';
const NODE_PORT = 'TCP 10.0.0.11:30080';

const HERE: RawEndpoint = { addresses: ['10.244.1.2'], nodeName: 'node-1' };
const THERE: RawEndpoint = { addresses: ['10.244.2.2'], nodeName: 'node-2' };
const BOTH = '-> 10.244.1.2:8080 10.244.2.2:8080';

const UNREADY = { ready: false, serving: false };
const DRAINING = { ready: false, serving: true, terminating: true };
const DEAD = { ready: false, serving: false, terminating: true };

/** default/quote with every kind of address. */
function quote(
  spec: Partial<RawService['spec']> = {},
  metadata: Partial<RawService['metadata']> = {},
  ingress: readonly RawIngress[] = [{ ip: '203.0.113.6' }],
): RawService {
  return {
    metadata: { name: 'quote', namespace: 'default', ...metadata },
    spec: {
      type: 'LoadBalancer',
      clusterIP: '10.96.0.1',
      clusterIPs: ['10.96.0.1'],
      ipFamilies: ['IPv4'],
      externalIPs: ['203.0.113.5'],
      ports: [{ name: 'http', protocol: 'TCP', port: 80, targetPort: 1, nodePort: 30080 }],
      ...spec,
    },
    status: { loadBalancer: { ingress } },
  };
}

function slice(
  endpoints: readonly RawEndpoint[],
  parts: Partial<RawEndpointSlice> = {},
  metadata: Partial<RawEndpointSlice['metadata']> = {},
): RawEndpointSlice {
  return {
    metadata: {
      name: 'quote-1',
      namespace: 'default',
      labels: { 'kubernetes.io/service-name': 'quote' },
      ...metadata,
    },
    addressType: 'IPv4',
    ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
    endpoints,
    ...parts,
  };
}

function cluster(
  services: readonly RawService[] = [quote()],
  endpointSlices: readonly RawEndpointSlice[] = [slice([HERE, THERE])],
  parts: Partial<RawCluster> = {},
): RawCluster {
  return { services, endpointSlices, nodes: [], serviceCIDRs: [], ...parts };
}

/** One question and the whole answer. */
const answers = test.macro({
  exec(
    t,
    objects: RawCluster,
    from: string,
    to: string,
    expected: string,
    node: Partial<NodeDescription> = {},
  ) {
    const decision = decide(objects, { ...NODE, ...node }, from, parseDestination(to));
    t.is(decisionText(decision), expected);
  },
  title: (title = '') => title,
});

const PASSED = 'pod: pass';
const REFUSED = 'pod: reject default/quote';
const UNKNOWN = 'pod: drop';
const SERVED = `pod: forward default/quote clusterIP Cluster ${BOTH}`;

// --- 1.1 Which objects ---

test('1.1 a Service goes to its endpoints', answers, cluster(), POD, QUOTE, SERVED);
test(
  '1.1 service-proxy-name hands a Service to another proxy, even empty',
  answers,
  cluster([quote({}, { labels: { 'service.kubernetes.io/service-proxy-name': '' } })]),
  POD,
  QUOTE,
  PASSED,
);
test(
  '1.1 a Service with the label headless is served: only slices are left out by it',
  answers,
  cluster([quote({}, { labels: { 'service.kubernetes.io/headless': '' } })]),
  POD,
  QUOTE,
  SERVED,
);
test(
  '1.1 slices with the label headless are not watched: the Service refuses',
  answers,
  cluster(
    [quote()],
    [
      slice(
        [HERE],
        {},
        {
          labels: {
            'kubernetes.io/service-name': 'quote',
            'service.kubernetes.io/headless': '',
          },
        },
      ),
    ],
  ),
  POD,
  QUOTE,
  'pod: reject default/quote clusterIP Cluster',
);

// --- 1.2 Families ---

const DUAL = quote(
  {
    clusterIPs: ['10.96.0.1', 'fd00:96::1'],
    ipFamilies: ['IPv4', 'IPv6'],
    externalIPs: ['203.0.113.5', '2001:DB8::0:5'],
  },
  {},
  [{ ip: '203.0.113.6' }, { ip: '2001:db8::6' }],
);
const SLICE6 = slice(
  [{ addresses: ['fd00:244::2'], nodeName: 'node-1' }],
  { addressType: 'IPv6', ports: [{ name: 'http', port: 9090 }] },
  { name: 'quote-6' },
);
const DUAL_CLUSTER = cluster([DUAL], [slice([HERE, THERE]), SLICE6]);

test(
  '1.2 each family has its endpoints',
  answers,
  DUAL_CLUSTER,
  'fd00:244::9',
  'TCP [fd00:96::1]:80',
  'pod: forward default/quote clusterIP Cluster -> [fd00:244::2]:9090',
);
test(
  '1.2 a family without endpoints refuses although the other has some',
  answers,
  cluster([DUAL], [slice([HERE])]),
  'fd00:244::9',
  'TCP [fd00:96::1]:80',
  'pod: reject default/quote clusterIP Cluster',
);
test(
  '1.2 families never mix: an IPv4 client and an IPv6 address',
  answers,
  DUAL_CLUSTER,
  POD,
  'TCP [fd00:96::1]:80',
  'pod: pass',
);
test(
  '1.20 an IPv4-mapped address is its IPv4 address, on either side',
  answers,
  cluster(),
  `::ffff:${POD}`,
  'TCP [::ffff:10.96.0.1]:80',
  SERVED,
);
test(
  '1.2 the same address in other words is the same',
  answers,
  DUAL_CLUSTER,
  'FD00:244:0::0009',
  'TCP [2001:db8:0:0::5]:80',
  'pod: forward default/quote externalIP Cluster -> [fd00:244::2]:9090, snat',
);

// --- 1.3 Service fields ---

for (const spec of [
  { type: 'ExternalName' },
  { clusterIP: 'None', clusterIPs: ['None'] },
  { clusterIP: '', clusterIPs: [] },
  { clusterIP: null, clusterIPs: null },
]) {
  test(
    `1.3 ignored: ${JSON.stringify(spec)}`,
    answers,
    cluster([quote(spec)]),
    POD,
    BALANCER,
    PASSED,
  );
}
for (const type of ['ClusterIP', 'NodePort', undefined]) {
  test(
    `1.3 fields decide, not the type ${type}`,
    answers,
    cluster([quote({ type })]),
    POD,
    BALANCER,
    `pod: forward default/quote loadBalancer Cluster ${BOTH}, snat`,
  );
}
test(
  '1.3 clusterIP alone will do',
  answers,
  cluster([quote({ clusterIPs: null, ipFamilies: null })]),
  POD,
  QUOTE,
  SERVED,
);
test(
  '1.3 without a clusterIP of the family none of its other addresses counts',
  answers,
  cluster([quote({ externalIPs: ['2001:db8::5'] }, {}, [{ ip: '2001:db8::5' }])], [SLICE6]),
  'fd00:244::9',
  'TCP [2001:db8::5]:80',
  PASSED,
);
test(
  '1.3 nor its nodePort',
  answers,
  cluster([quote()], [SLICE6]),
  'fd00:244::9',
  'TCP [fd00:10::11]:30080',
  PASSED,
);
test(
  '1.1 an object without a namespace is in default, and fields may be missing',
  answers,
  cluster(
    [
      {
        metadata: { name: 'quote' },
        spec: {
          clusterIP: '10.96.0.1',
          ports: [
            { name: 'first', port: 1 },
            { name: 'http', port: 65535 },
          ],
        },
      },
    ],
    [slice([HERE])],
  ),
  POD,
  'TCP 10.96.0.1:65535',
  'pod: forward default/quote clusterIP Cluster -> 10.244.1.2:8080',
);
test(
  '1.3 targetPort is not read, a port without protocol is TCP',
  answers,
  cluster([quote({ ports: [{ name: 'http', port: 80, targetPort: 'nonsense' }] })]),
  POD,
  QUOTE,
  SERVED,
);
test(
  '1.3 leading zeros in an external IP; its bad and blank neighbours cost only themselves',
  answers,
  cluster([quote({ externalIPs: ['', 'nonsense', '203.000.113.005', '1.2.3'] })]),
  POD,
  EXTERNAL_IP,
  `pod: forward default/quote externalIP Cluster ${BOTH}, snat`,
);
for (const ip of ['0.0.0.0', '127.0.0.1', '169.254.1.1', '224.0.0.1']) {
  test(
    `1.3 ${ip} is no external address`,
    answers,
    cluster([quote({ externalIPs: [ip] }, {}, [{ ip }])]),
    POD,
    `TCP ${ip}:80`,
    PASSED,
  );
}
test(
  '1.3 the same address as load-balancer IP and external IP is the former',
  answers,
  cluster([quote({ externalIPs: ['203.0.113.6'] })]),
  POD,
  BALANCER,
  `pod: forward default/quote loadBalancer Cluster ${BOTH}, snat`,
);
test(
  '1.3 the same address as clusterIP, load-balancer IP and external IP is the clusterIP',
  answers,
  cluster([quote({ externalIPs: ['10.96.0.1'] }, {}, [{ ip: '10.96.0.1' }])]),
  POD,
  QUOTE,
  SERVED,
);
for (const ingress of [
  { ip: '203.0.113.6', ipMode: 'Proxy' },
  { hostname: 'lb.example' },
  { ip: 'nonsense' },
  { ip: '' },
]) {
  test(
    `1.3 not served: ${JSON.stringify(ingress)}`,
    answers,
    cluster([quote({}, {}, [ingress])]),
    POD,
    BALANCER,
    PASSED,
  );
}
test(
  '1.3 ipMode VIP is served',
  answers,
  cluster([quote({}, {}, [{ ip: '203.0.113.6', ipMode: 'VIP' }])]),
  POD,
  BALANCER,
  `pod: forward default/quote loadBalancer Cluster ${BOTH}, snat`,
);

const LOCAL = { externalTrafficPolicy: 'Local' };
for (const [spec, policy] of [
  [{ type: 'LoadBalancer' }, 'Local'],
  [{ type: 'NodePort' }, 'Local'],
  [{ type: 'NodePort', externalIPs: [] }, 'Local'],
  [{ type: 'ClusterIP' }, 'Local'],
  [{}, 'Local'],
  [{ type: 'ClusterIP', externalIPs: [] }, 'Cluster'],
] as const) {
  test(
    `1.3 externalTrafficPolicy Local with ${JSON.stringify(spec)} is ${policy}`,
    answers,
    cluster([quote({ ...LOCAL, ...spec })]),
    OUTSIDE,
    BALANCER,
    policy === 'Local'
      ? 'external: forward default/quote loadBalancer Local -> 10.244.1.2:8080'
      : `external: forward default/quote loadBalancer Cluster ${BOTH}, snat`,
  );
}
test(
  '1.3 a policy that nobody knows is Cluster',
  answers,
  cluster([quote({ internalTrafficPolicy: 'Nearby' })]),
  POD,
  QUOTE,
  SERVED,
);
for (const [title, parts] of Object.entries({
  'a clusterIP that is none': { clusterIP: '10.96.0', clusterIPs: ['10.96.0'] },
  'clusterIPs of one family twice': { clusterIPs: ['10.96.0.1', '10.96.0.2'], ipFamilies: null },
  'a clusterIP that is not the first of clusterIPs': { clusterIPs: ['10.96.0.2'] },
  'another family': { ipFamilies: ['IPv6'] },
  'families in another order': {
    clusterIPs: ['10.96.0.1', 'fd00:96::1'],
    ipFamilies: ['IPv4', 'IPv4'],
  },
  'port 0': { ports: [{ port: 80 }, { name: 'b', port: 0 }] },
  'port 65536': { ports: [{ port: 80 }, { name: 'b', port: 65536 }] },
  'a negative port': { ports: [{ port: 80 }, { name: 'b', port: -1 }] },
  'half a port': { ports: [{ port: 80 }, { name: 'b', port: 80.5 }] },
  'nodePort 65536': { ports: [{ port: 80, nodePort: 65536 }] },
  'an unknown protocol': { ports: [{ port: 80 }, { name: 'b', port: 1, protocol: 'ICMP' }] },
  'a port twice': {
    ports: [
      { name: 'a', port: 80 },
      { name: 'b', protocol: 'TCP', port: 80 },
    ],
  },
  'a port name twice': {
    ports: [
      { name: 'a', protocol: 'TCP', port: 80 },
      { name: 'a', port: 81 },
    ],
  },
  'no port name twice': {
    ports: [
      { name: '', port: 80 },
      { name: null, port: 81 },
    ],
  },
  'a port name in capitals': { ports: [{ name: 'HTTP', port: 80 }] },
  'no ports': { ports: [] },
})) {
  test(`makes no sense: ${title}`, answers, cluster([quote(parts)]), POD, QUOTE, UNKNOWN);
}

// --- 1.4 EndpointSlice fields ---

const NO_ENDPOINTS = 'pod: reject default/quote clusterIP Cluster';
const ONE_HERE = 'pod: forward default/quote clusterIP Cluster -> 10.244.1.2:8080';

for (const [title, endpointSlice] of Object.entries({
  'no service-name': slice([HERE], {}, { labels: {} }),
  'an empty service-name': slice([HERE], {}, { labels: { 'kubernetes.io/service-name': '' } }),
  'another namespace': slice([HERE], {}, { namespace: 'other' }),
  'addressType FQDN': slice([{ addresses: ['a.example'] }], { addressType: 'FQDN' }),
  'a nameless port': slice([HERE], { ports: [{ protocol: 'TCP', port: 8080 }] }),
  'a port called null': slice([HERE], { ports: [{ name: null, port: 8080 }] }),
  'a port without number': slice([HERE], { ports: [{ name: 'http' }] }),
  'port 0': slice([HERE], { ports: [{ name: 'http', port: 0 }] }),
  'another port name': slice([HERE], { ports: [{ name: 'web', port: 8080 }] }),
  'another protocol': slice([HERE], { ports: [{ name: 'http', protocol: 'UDP', port: 8080 }] }),
  'port 70000': slice([HERE], { ports: [{ name: 'http', port: 70_000 }] }),
  'port 70000 beside another': slice([HERE], {
    ports: [
      { name: 'http', port: 8080 },
      { name: 'web', port: 70_000 },
    ],
  }),
  'no ports': slice([HERE], { ports: null }),
  'no endpoints': slice([], { endpoints: null }),
  'no addresses': slice([{ addresses: [] }, {}]),
  'addresses of the other family': slice([{ addresses: ['fd00:244::2'] }]),
  'nonsense for addresses': slice([{ addresses: ['nonsense', '10.244.1.2'] }]),
})) {
  test(
    `1.4 joins nothing: ${title}`,
    answers,
    cluster([quote()], [endpointSlice]),
    POD,
    QUOTE,
    NO_ENDPOINTS,
  );
}
test(
  '1.4 a port without protocol is TCP',
  answers,
  cluster([quote()], [slice([HERE], { ports: [{ name: 'http', port: 8080 }] })]),
  POD,
  QUOTE,
  ONE_HERE,
);
test(
  '1.4 an unnamed port joins the unnamed service port',
  answers,
  cluster(
    [quote({ ports: [{ port: 80 }] })],
    [slice([HERE], { ports: [{ name: '', port: 8080 }] })],
  ),
  POD,
  QUOTE,
  ONE_HERE,
);
test(
  '1.4 only the first address of an endpoint counts',
  answers,
  cluster([quote()], [slice([{ addresses: ['10.244.1.2', '10.244.1.3'] }])]),
  POD,
  QUOTE,
  ONE_HERE,
);
test(
  '1.4 the union over slices, which may give other port numbers, in text order',
  answers,
  cluster(
    [quote()],
    [
      slice([HERE, THERE]),
      slice([HERE], { ports: [{ name: 'http', port: 10080 }] }, { name: 'quote-2' }),
      slice([{ addresses: ['10.244.1.10'] }, HERE], {}, { name: 'quote-3' }),
    ],
  ),
  POD,
  QUOTE,
  'pod: forward default/quote clusterIP Cluster ' +
    '-> 10.244.1.10:8080 10.244.1.2:10080 10.244.1.2:8080 10.244.2.2:8080',
);
test(
  '1.4 what does not terminate replaces what does: the new pod counts, which is not ready',
  answers,
  cluster(
    [quote()],
    [
      slice([{ ...HERE, conditions: DRAINING }]),
      slice([{ ...HERE, conditions: UNREADY }], {}, { name: 'quote-2' }),
    ],
  ),
  POD,
  QUOTE,
  NO_ENDPOINTS,
);
test(
  '1.4 in either order of the slices',
  answers,
  cluster(
    [quote()],
    [
      slice([{ ...HERE, conditions: UNREADY }]),
      slice([{ ...HERE, conditions: DRAINING }], {}, { name: 'quote-2' }),
    ],
  ),
  POD,
  QUOTE,
  NO_ENDPOINTS,
);
test(
  '1.4 one endpoint that makes no sense costs the others nothing',
  answers,
  cluster(
    [quote()],
    [slice([HERE, { ...THERE, conditions: { ready: 'yes' as unknown as boolean } }])],
  ),
  POD,
  QUOTE,
  ONE_HERE,
);

for (const [title, first, second, expected] of [
  ['the ready one', UNREADY, null, ONE_HERE],
  ['the serving one, when both terminate', DEAD, DRAINING, ONE_HERE],
] as const) {
  for (const [one, other] of [
    [first, second],
    [second, first],
  ]) {
    test(
      `1.4 among duplicates ${title}: ${JSON.stringify(one)}`,
      answers,
      cluster(
        [quote()],
        [
          slice([{ ...HERE, conditions: one }]),
          slice([{ ...HERE, conditions: other }], {}, { name: 'quote-2' }),
        ],
      ),
      POD,
      QUOTE,
      expected,
    );
  }
}

// --- 1.5 Which endpoints ---

const LOST = null;
for (const [conditions, counts] of [
  [LOST, true],
  [{ ready: null }, true],
  [{ ready: true, serving: false }, true],
  [{ ready: true, serving: true, terminating: true }, true],
  [DRAINING, true],
  [{ ready: false, terminating: true }, true],
  [UNREADY, false],
  [{ ready: false, serving: true }, false],
  [{ ready: false, serving: true, terminating: false }, false],
  [DEAD, false],
] as const) {
  test(
    `1.5 alone, ${JSON.stringify(conditions)} ${counts ? 'is used' : 'does not count'}`,
    answers,
    cluster([quote()], [slice([{ ...HERE, conditions }])]),
    POD,
    QUOTE,
    counts ? ONE_HERE : NO_ENDPOINTS,
  );
}
test(
  '1.5 terminating ones are not used while one is ready, though it is elsewhere',
  answers,
  cluster([quote()], [slice([{ ...HERE, conditions: DRAINING }, THERE])]),
  POD,
  QUOTE,
  'pod: forward default/quote clusterIP Cluster -> 10.244.2.2:8080',
);
test(
  '1.5 the local list falls back to terminating ones by itself',
  answers,
  cluster([quote(LOCAL)], [slice([{ ...HERE, conditions: DRAINING }, THERE])]),
  OUTSIDE,
  BALANCER,
  'external: forward default/quote loadBalancer Local -> 10.244.1.2:8080',
);
test(
  '1.5 the local list prefers ready ones',
  answers,
  cluster(
    [quote(LOCAL)],
    [
      slice([
        { ...HERE, conditions: DRAINING },
        { addresses: ['10.244.1.3'], nodeName: 'node-1' },
      ]),
    ],
  ),
  OUTSIDE,
  BALANCER,
  'external: forward default/quote loadBalancer Local -> 10.244.1.3:8080',
);
test(
  '1.4 an endpoint without nodeName is not local',
  answers,
  cluster([quote(LOCAL)], [slice([{ addresses: ['10.244.1.2'] }])]),
  OUTSIDE,
  BALANCER,
  'external: drop default/quote loadBalancer Local',
);

function hinted(ip: string, zones: readonly string[], nodes: readonly string[] = []): RawEndpoint {
  const names = (list: readonly string[]) => list.map((name) => ({ name }));
  return { addresses: [ip], hints: { forZones: names(zones), forNodes: names(nodes) } };
}
const ZONED = {
  nodes: [
    { metadata: { name: 'node-2', labels: { 'topology.kubernetes.io/zone': 'zone-b' } } },
    { metadata: { name: 'node-1', labels: { 'topology.kubernetes.io/zone': 'zone-a' } } },
  ],
};
const TO_A = 'pod: forward default/quote clusterIP Cluster -> 10.244.0.1:8080';
const TO_AB = 'pod: forward default/quote clusterIP Cluster -> 10.244.0.1:8080 10.244.0.2:8080';
for (const [title, endpoints, expected] of [
  ['zone hints', [hinted('10.244.0.1', ['zone-a']), hinted('10.244.0.2', ['zone-b'])], TO_A],
  [
    'a zone hint of several zones',
    [hinted('10.244.0.1', ['zone-a', 'zone-b']), hinted('10.244.0.2', ['zone-a'])],
    TO_AB,
  ],
  [
    'no hint for this zone: all',
    [hinted('10.244.0.1', ['zone-b']), hinted('10.244.0.2', ['zone-c'])],
    TO_AB,
  ],
  ['a hint is missing: all', [hinted('10.244.0.1', ['zone-a']), hinted('10.244.0.2', [])], TO_AB],
  [
    'an endpoint that is not ready needs no hint',
    [hinted('10.244.0.1', ['zone-a']), { addresses: ['10.244.0.2'], conditions: UNREADY }],
    TO_A,
  ],
  [
    'a hint of an endpoint that is not ready leads nowhere',
    [
      { ...hinted('10.244.0.3', ['zone-a']), conditions: UNREADY },
      hinted('10.244.0.1', ['zone-b']),
      hinted('10.244.0.2', ['zone-b']),
    ],
    TO_AB,
  ],
  [
    'terminating ones, when none is ready, whatever their hints',
    [
      { ...hinted('10.244.0.1', ['zone-a']), conditions: DRAINING },
      { ...hinted('10.244.0.2', ['zone-b']), conditions: DRAINING },
    ],
    TO_AB,
  ],
  [
    'node hints come before zone hints',
    [hinted('10.244.0.1', ['zone-a'], ['node-1']), hinted('10.244.0.2', ['zone-a'], ['node-2'])],
    TO_A,
  ],
  [
    'no node hint for this node: zone hints',
    [hinted('10.244.0.1', ['zone-a'], ['node-3']), hinted('10.244.0.2', ['zone-b'], ['node-2'])],
    TO_A,
  ],
  [
    'a node hint is missing: zone hints',
    [hinted('10.244.0.1', ['zone-a']), hinted('10.244.0.2', ['zone-b'], ['node-1'])],
    TO_A,
  ],
  [
    'hints that are null are none',
    [
      { addresses: ['10.244.0.1'], hints: null },
      { addresses: ['10.244.0.2'], hints: { forZones: null, forNodes: null } },
    ],
    TO_AB,
  ],
] as const) {
  const objects = cluster([quote()], [slice(endpoints)], ZONED);
  test(`1.5 ${title}`, answers, objects, POD, QUOTE, expected);
}
test(
  '1.5 a node without a zone matches no hint',
  answers,
  cluster([quote()], [slice([hinted('10.244.0.1', ['zone-a']), hinted('10.244.0.2', ['zone-b'])])]),
  POD,
  QUOTE,
  TO_AB,
);
test(
  '1.5 hints never count for the local list',
  answers,
  cluster(
    [quote(LOCAL)],
    [
      slice([
        { ...hinted('10.244.0.1', ['zone-b'], ['node-2']), nodeName: 'node-1' },
        { ...hinted('10.244.0.2', ['zone-a'], ['node-1']), nodeName: 'node-2' },
      ]),
    ],
    ZONED,
  ),
  OUTSIDE,
  BALANCER,
  'external: forward default/quote loadBalancer Local -> 10.244.0.1:8080',
);

// --- 1.6 Verdicts ---

const ITP_LOCAL = { internalTrafficPolicy: 'Local' };
const ELSEWHERE = [slice([THERE])];
const NOWHERE = [slice([])];
for (const [title, spec, slices, from, to, expected] of [
  ['clusterIP, no endpoint', {}, NOWHERE, POD, QUOTE, NO_ENDPOINTS],
  [
    'externalIP, no endpoint',
    {},
    NOWHERE,
    POD,
    EXTERNAL_IP,
    'pod: reject default/quote externalIP Cluster',
  ],
  [
    'load-balancer IP, no endpoint',
    {},
    NOWHERE,
    POD,
    BALANCER,
    'pod: reject default/quote loadBalancer Cluster',
  ],
  [
    'nodePort, no endpoint',
    {},
    NOWHERE,
    POD,
    NODE_PORT,
    'pod: reject default/quote nodePort Cluster',
  ],
  [
    'clusterIP, Local, no endpoint anywhere',
    ITP_LOCAL,
    NOWHERE,
    POD,
    QUOTE,
    'pod: reject default/quote clusterIP Local',
  ],
  [
    'clusterIP, Local',
    ITP_LOCAL,
    undefined,
    POD,
    QUOTE,
    'pod: forward default/quote clusterIP Local -> 10.244.1.2:8080',
  ],
  [
    'clusterIP, Local, endpoints elsewhere',
    ITP_LOCAL,
    ELSEWHERE,
    POD,
    QUOTE,
    'pod: drop default/quote clusterIP Local',
  ],
  [
    'clusterIP, Local, from the host: no short-circuit',
    ITP_LOCAL,
    ELSEWHERE,
    'host',
    QUOTE,
    'host: drop default/quote clusterIP Local',
  ],
  [
    'internalTrafficPolicy means clusterIPs alone',
    ITP_LOCAL,
    undefined,
    OUTSIDE,
    BALANCER,
    `external: forward default/quote loadBalancer Cluster ${BOTH}, snat`,
  ],
  ['externalTrafficPolicy means the others alone', LOCAL, undefined, POD, QUOTE, SERVED],
  [
    'nodePort, Local, from outside',
    LOCAL,
    undefined,
    OUTSIDE,
    NODE_PORT,
    'external: forward default/quote nodePort Local -> 10.244.1.2:8080',
  ],
  [
    'externalIP, Local, from outside',
    LOCAL,
    undefined,
    'external',
    EXTERNAL_IP,
    'external: forward default/quote externalIP Local -> 10.244.1.2:8080',
  ],
  [
    'nodePort, Local, from outside, endpoints elsewhere',
    LOCAL,
    ELSEWHERE,
    OUTSIDE,
    NODE_PORT,
    'external: drop default/quote nodePort Local',
  ],
  [
    'nodePort, Local, from outside, no endpoint anywhere',
    LOCAL,
    NOWHERE,
    OUTSIDE,
    NODE_PORT,
    'external: reject default/quote nodePort Local',
  ],
  ['a closed port of a clusterIP', {}, undefined, POD, 'TCP 10.96.0.1:81', REFUSED],
  ['another protocol of a clusterIP', {}, undefined, POD, 'UDP 10.96.0.1:80', REFUSED],
  [
    'an address of a ServiceCIDR that no Service has',
    {},
    undefined,
    POD,
    'TCP 10.96.0.2:80',
    UNKNOWN,
  ],
  ['an address outside of it', {}, undefined, POD, 'TCP 10.97.0.2:80', PASSED],
  ['a closed port of an external IP', {}, undefined, POD, 'TCP 203.0.113.5:81', PASSED],
  ['a closed port of a load-balancer IP', {}, undefined, POD, 'UDP 203.0.113.6:80', PASSED],
  ['a closed port of the node', {}, undefined, POD, 'TCP 10.0.0.11:80', PASSED],
  ['the nodePort in another protocol', {}, undefined, POD, 'UDP 10.0.0.11:30080', PASSED],
  ['the nodePort at a clusterIP', {}, undefined, POD, 'TCP 10.96.0.1:30080', REFUSED],
] as const) {
  test(`1.6 ${title}`, answers, cluster([quote(spec)], slices), from, to, expected);
}
test(
  '1.6 ServiceCIDR objects tell when the node does not',
  answers,
  cluster([], [], {
    serviceCIDRs: [{ metadata: { name: 'a' }, spec: { cidrs: ['10.96.0.0/16'] } }],
  }),
  POD,
  QUOTE,
  UNKNOWN,
  { serviceCIDRs: undefined as never },
);
test(
  '1.6 TCP and UDP of one address are two service ports',
  answers,
  cluster(
    [
      quote({
        ports: [
          { name: 'http', port: 80 },
          { name: 'h3', protocol: 'UDP', port: 80 },
        ],
      }),
    ],
    [slice([HERE], { ports: [{ name: 'h3', protocol: 'UDP', port: 8443 }] })],
  ),
  POD,
  'UDP 10.96.0.1:80',
  'pod: forward default/quote clusterIP Cluster -> 10.244.1.2:8443',
);

const OLD = { name: 'old', creationTimestamp: '2026-01-01T00:00:00Z' };
const YOUNG = { name: 'another', creationTimestamp: '2026-02-01T00:00:00Z' };
function rival(
  metadata: Partial<RawService['metadata']>,
  spec: Partial<RawService['spec']> = {},
): RawService {
  const own = { clusterIP: '10.96.0.7', clusterIPs: ['10.96.0.7'] };
  return quote({ ...own, ...spec }, { creationTimestamp: null, ...metadata });
}
for (const [title, services, to, winner] of [
  ['the older', [rival(YOUNG), rival(OLD)], EXTERNAL_IP, 'default/old externalIP'],
  [
    'the first by name',
    [rival({ name: 'b' }), rival({ name: 'a' })],
    BALANCER,
    'default/a loadBalancer',
  ],
  [
    'by namespace and name',
    [rival({ name: 'a', namespace: 'z' }), rival({ name: 'b' })],
    BALANCER,
    'default/b loadBalancer',
  ],
  ['one with an age', [rival({ name: 'a' }), rival(YOUNG)], NODE_PORT, 'default/another nodePort'],
  [
    'a clusterIP',
    [rival(OLD), rival(YOUNG, { clusterIP: '203.0.113.5', clusterIPs: ['203.0.113.5'] })],
    EXTERNAL_IP,
    'default/another clusterIP',
  ],
  [
    'the older, of two external kinds',
    [quote({ externalIPs: ['203.0.113.6'] }, YOUNG, []), rival(OLD)],
    BALANCER,
    'default/old loadBalancer',
  ],
] as const) {
  test(
    `1.6 of two claims: ${title}`,
    answers,
    cluster(services, []),
    POD,
    to,
    `pod: reject ${winner} Cluster`,
  );
}
test(
  '1.6 a claim of one port leaves the others to the other Service',
  answers,
  cluster([rival(OLD, { ports: [{ port: 81 }] }), rival(YOUNG)], []),
  POD,
  BALANCER,
  'pod: reject default/another loadBalancer Cluster',
);

// --- 1.7 Masquerade and short-circuit ---

const AT = {
  clusterIP: QUOTE,
  externalIP: EXTERNAL_IP,
  loadBalancer: BALANCER,
  nodePort: NODE_PORT,
};
for (const [title, kind, spec, from, expected, node] of [
  ['clusterIP from a pod: no SNAT', 'clusterIP', {}, POD, `pod: ${BOTH}`, {}],
  ['from a pod of another node: the CIDR tells', 'clusterIP', {}, '10.244.2.9', `pod: ${BOTH}`, {}],
  ['from outside', 'clusterIP', {}, OUTSIDE, `external: ${BOTH}, snat`, {}],
  ['from somewhere outside', 'clusterIP', {}, 'external', `external: ${BOTH}, snat`, {}],
  ['from the host', 'clusterIP', {}, 'host', `host: ${BOTH}, snat`, {}],
  ['from the address of the host', 'clusterIP', {}, '10.0.0.11', `host: ${BOTH}, snat`, {}],
  ['from loopback', 'clusterIP', {}, '127.0.0.1', `host: ${BOTH}, snat`, {}],
  [
    'from an address of the host in a cluster CIDR',
    'clusterIP',
    {},
    '10.244.1.1',
    `host: ${BOTH}`,
    {},
  ],
  ['masqueradeAll', 'clusterIP', {}, POD, `pod: ${BOTH}, snat`, { masqueradeAll: true }],
  ['no detector', 'clusterIP', {}, 'host', `host: ${BOTH}`, NO_DETECTOR],
  ['no detector, outside', 'clusterIP', {}, OUTSIDE, `external: ${BOTH}`, NO_DETECTOR],
  [
    'a detector of the other family',
    'clusterIP',
    {},
    OUTSIDE,
    `external: ${BOTH}`,
    { clusterCIDRs: ['fd00:244::/56'] },
  ],
  [
    'no detector, masqueradeAll',
    'clusterIP',
    {},
    POD,
    `external: ${BOTH}, snat`,
    { ...NO_DETECTOR, masqueradeAll: true },
  ],
  ['Cluster, from a pod', 'nodePort', {}, POD, `pod: ${BOTH}, snat`, {}],
  ['Cluster, from the host', 'externalIP', {}, 'host', `host: ${BOTH}, snat`, {}],
  ['Cluster, from outside', 'loadBalancer', {}, OUTSIDE, `external: ${BOTH}, snat`, NO_DETECTOR],
  ['Local, from a pod', 'nodePort', LOCAL, POD, `pod: ${BOTH}`, {}],
  [
    'Local, from a pod, masqueradeAll',
    'loadBalancer',
    LOCAL,
    POD,
    `pod: ${BOTH}`,
    { masqueradeAll: true },
  ],
  ['Local, from the host', 'nodePort', LOCAL, 'host', `host: ${BOTH}, snat`, {}],
  [
    'Local, from an address of the host',
    'externalIP',
    LOCAL,
    '192.168.7.7',
    `host: ${BOTH}, snat`,
    {},
  ],
  [
    'Local, from an address of the host in a cluster CIDR',
    'externalIP',
    LOCAL,
    '10.244.1.1',
    `host: ${BOTH}`,
    {},
  ],
  [
    'Local, from the host, no detector',
    'loadBalancer',
    LOCAL,
    'host',
    `host: ${BOTH}, snat`,
    NO_DETECTOR,
  ],
  ['Local, from outside', 'externalIP', LOCAL, OUTSIDE, 'external: -> 10.244.1.2:8080', {}],
  [
    'Local, from a stranger in the place of a pod, no detector',
    'nodePort',
    LOCAL,
    POD,
    'external: -> 10.244.1.2:8080',
    NO_DETECTOR,
  ],
  [
    'Local, from an endpoint of this node, no detector',
    'nodePort',
    LOCAL,
    '10.244.1.2',
    `pod: ${BOTH}`,
    NO_DETECTOR,
  ],
  [
    'clusterIP, from an endpoint of this node, no detector',
    'clusterIP',
    {},
    '10.244.1.2',
    `pod: ${BOTH}`,
    NO_DETECTOR,
  ],
  [
    'Local, from an endpoint of another node, no detector',
    'nodePort',
    LOCAL,
    '10.244.2.2',
    'external: -> 10.244.1.2:8080',
    NO_DETECTOR,
  ],
] as const) {
  const policy = 'externalTrafficPolicy' in spec ? 'Local' : 'Cluster';
  test(
    `1.7 ${kind}: ${title}`,
    answers,
    cluster([quote(spec)]),
    from,
    AT[kind],
    expected.replace(': ', `: forward default/quote ${kind} ${policy} `),
    node,
  );
}
test(
  '1.7 without a detector, an endpoint of no Service is nobody',
  answers,
  cluster([rival(OLD)], [slice([HERE])]),
  '10.244.1.2',
  'TCP 192.0.2.1:80',
  'external: pass',
  NO_DETECTOR,
);
test(
  '1.7 short-circuit: endpoints elsewhere, no drop for a pod',
  answers,
  cluster([quote(LOCAL)], ELSEWHERE),
  POD,
  BALANCER,
  'pod: forward default/quote loadBalancer Local -> 10.244.2.2:8080',
);
test(
  '1.7 short-circuit goes by hints, as the cluster list does',
  answers,
  cluster(
    [quote(LOCAL)],
    [
      slice([
        hinted('10.244.0.1', ['zone-a']),
        { ...hinted('10.244.0.2', ['zone-b']), nodeName: 'node-1' },
      ]),
    ],
    ZONED,
  ),
  POD,
  BALANCER,
  'pod: forward default/quote loadBalancer Local -> 10.244.0.1:8080',
);
test(
  '1.7 hairpin: a client that can only get itself',
  answers,
  cluster([quote()], [slice([HERE])]),
  '10.244.1.2',
  QUOTE,
  `${ONE_HERE}, snat`,
);
test(
  '1.7 no certain hairpin: it may get the other',
  answers,
  cluster(),
  '10.244.1.2',
  QUOTE,
  SERVED,
);
test(
  '1.7 hairpin by either of its ports',
  answers,
  cluster(
    [quote()],
    [
      slice([HERE], {
        ports: [
          { name: 'http', port: 8080 },
          { name: 'http', port: 8081 },
        ],
      }),
    ],
  ),
  '10.244.1.2',
  QUOTE,
  'pod: forward default/quote clusterIP Cluster -> 10.244.1.2:8080 10.244.1.2:8081, snat',
);

// --- 1.8 loadBalancerSourceRanges ---

function ranges(...loadBalancerSourceRanges: readonly string[]): RawCluster {
  return cluster([quote({ loadBalancerSourceRanges })]);
}
const BLOCKED = 'external: drop default/quote loadBalancer Cluster';
const LET_IN = `external: forward default/quote loadBalancer Cluster ${BOTH}, snat`;
for (const [title, objects, from, expected] of [
  ['outside of the range', ranges('192.0.2.0/24'), OUTSIDE, BLOCKED],
  ['inside', ranges('192.0.2.0/24', '198.51.100.0/24'), OUTSIDE, LET_IN],
  [
    'with white space and leading zeros',
    ranges('192.0.2.0/24', ' 198.051.100.0/24\t'),
    OUTSIDE,
    LET_IN,
  ],
  ['host bits', ranges('198.51.100.99/24'), OUTSIDE, LET_IN],
  ['/0 is no restriction', ranges('192.0.2.0/24', '0.0.0.0/0'), 'external', LET_IN],
  ['/0 of the other family is none', ranges('192.0.2.0/24', '::/0'), OUTSIDE, BLOCKED],
  [
    'nothing valid is no restriction',
    ranges('nonsense', '1.2.3.4', '1.2.3.4/33', ''),
    OUTSIDE,
    LET_IN,
  ],
  ['of the other family alone is no restriction', ranges('2001:db8::/32'), OUTSIDE, LET_IN],
  [
    'two halves are not /0 to somebody without an address',
    ranges('0.0.0.0/1', '128.0.0.0/1'),
    'external',
    BLOCKED,
  ],
  ['a pod outside', ranges('192.0.2.0/24'), POD, BLOCKED.replace('external', 'pod')],
  ['a pod inside', ranges('10.244.1.9/32'), POD, LET_IN.replace('external', 'pod')],
  [
    'the host outside',
    ranges('192.0.2.0/24', '10.0.0.99/32'),
    'host',
    BLOCKED.replace('external', 'host'),
  ],
  [
    'the host by its first node IP',
    ranges('10.0.0.11/32'),
    'host',
    LET_IN.replace('external', 'host'),
  ],
  [
    'the host by the address it has bound',
    ranges('10.0.0.11/32'),
    '192.168.7.7',
    BLOCKED.replace('external', 'host'),
  ],
  [
    'the load-balancer IP as a source, node IP inside',
    ranges('10.0.0.11/32'),
    '203.0.113.6',
    LET_IN,
  ],
  [
    'the load-balancer IP as a source, node IP outside',
    ranges('192.0.2.0/24'),
    '203.0.113.6',
    BLOCKED,
  ],
  ['the external IP as a source, node IP inside', ranges('10.0.0.11/32'), '203.0.113.5', BLOCKED],
] as const) {
  test(`1.8 ${title}`, answers, objects, from, BALANCER, expected);
}
for (const [kind, to] of Object.entries({ externalIP: EXTERNAL_IP, nodePort: NODE_PORT })) {
  test(
    `1.8 ranges mean nothing to ${kind}`,
    answers,
    ranges('192.0.2.0/24'),
    OUTSIDE,
    to,
    `external: forward default/quote ${kind} Cluster ${BOTH}, snat`,
  );
}
test(
  '1.8 ranges mean nothing to the clusterIP',
  answers,
  ranges('192.0.2.0/24'),
  POD,
  QUOTE,
  SERVED,
);
test(
  '1.8 blocked without endpoints: dropped',
  answers,
  cluster([quote({ loadBalancerSourceRanges: ['192.0.2.0/24'] })], []),
  OUTSIDE,
  BALANCER,
  BLOCKED,
);
test(
  '1.8 allowed without endpoints: rejected',
  answers,
  cluster([quote({ loadBalancerSourceRanges: ['198.51.100.0/24'] })], []),
  OUTSIDE,
  BALANCER,
  'external: reject default/quote loadBalancer Cluster',
);
test(
  '1.8 a node without an IP of the family is in no range',
  answers,
  ranges('0.0.0.0/1', '128.0.0.0/1'),
  'host',
  BALANCER,
  BLOCKED.replace('external', 'host'),
  { nodeIPs: ['fd00:10::11'] },
);

// --- 1.9 NodePorts ---

const NODE_PORTS = cluster([DUAL], [slice([HERE, THERE]), SLICE6]);
const YES = `forward default/quote nodePort Cluster ${BOTH}, snat`;
const YES6 = 'forward default/quote nodePort Cluster -> [fd00:244::2]:9090, snat';
const NO = 'pass';
for (const [rule, from, to, expected] of [
  [undefined, POD, '10.0.0.11', YES],
  [undefined, POD, '192.168.7.7', YES],
  [undefined, POD, '10.244.1.1', YES],
  [undefined, POD, '10.0.0.12', NO],
  [undefined, 'fd00:244::9', 'fd00:10::11', YES6],
  [undefined, 'host', '127.0.0.1', YES],
  [undefined, '127.0.0.1', '127.0.0.2', YES],
  [undefined, '10.0.0.11', '127.0.0.1', YES],
  [undefined, 'host', '::1', YES6],
  [undefined, POD, '127.0.0.1', NO],
  [undefined, OUTSIDE, '127.0.0.1', NO],
  [undefined, 'external', '127.0.0.1', NO],
  [['primary'], POD, '10.0.0.11', YES],
  [['primary'], POD, '192.168.7.7', NO],
  [['primary'], 'fd00:244::9', 'fd00:10::11', YES6],
  [['primary'], 'host', '127.0.0.1', NO],
  [['primary'], 'host', '10.0.0.99', NO],
  [['192.168.0.0/16'], POD, '192.168.7.7', YES],
  [['192.168.0.0/16'], POD, '10.0.0.11', NO],
  [['192.168.0.0/16'], POD, '192.168.7.8', NO],
  [['192.168.0.0/16'], 'host', '127.0.0.1', NO],
  [['192.168.0.0/16'], 'fd00:244::9', 'fd00:10::11', YES6],
  [['192.168.0.0/16'], 'host', '::1', NO],
  [['fd00:11::/32'], 'host', '127.0.0.1', NO],
  [['0.0.0.0/0'], 'host', '::1', YES6],
  [['::/0'], 'host', '127.0.0.1', YES],
  [['127.0.0.2/32'], 'host', '127.0.0.1', YES],
  [['::1/128'], 'host', '127.0.0.1', YES],
  [['fd00:11::/32'], 'fd00:244::9', 'fd00:10::11', NO],
  [['fd00:11::/32'], POD, '192.168.7.7', YES],
  [['192.168.0.0/16', '0.0.0.0/0'], POD, '10.0.0.11', YES],
  [['192.168.0.0/16', '0.0.0.0/0'], 'host', '127.0.0.1', YES],
  [['192.168.0.0/16', '127.0.0.0/8'], 'host', '127.0.0.1', YES],
  [['192.168.0.0/16', '127.0.0.0/8'], POD, '127.0.0.1', NO],
] as const) {
  test(`1.9 nodePortAddresses ${rule ?? 'all'}, from ${from} to ${to}: ${expected.slice(0, 7)}`, (t) => {
    const node = rule ? { ...NODE, nodePortAddresses: rule } : NODE;
    const decision = decide(NODE_PORTS, node, from, {
      protocol: 'TCP',
      address: to,
      port: 30080,
    });
    t.is(decisionText(decision).replace(/^\w+: /, ''), expected);
  });
}
test(
  '1.9 an external IP of the node itself, with that very port, is the external IP',
  answers,
  cluster([
    quote({ externalIPs: ['10.0.0.11'], ports: [{ name: 'http', port: 30080, nodePort: 80 }] }),
    rival(OLD),
  ]),
  POD,
  NODE_PORT,
  `pod: forward default/quote externalIP Cluster ${BOTH}, snat`,
);
test(
  '1.9 an external IP of the node has the nodePorts of all',
  answers,
  cluster([quote({ externalIPs: ['10.0.0.11'] })]),
  POD,
  NODE_PORT,
  `pod: forward default/quote nodePort Cluster ${BOTH}, snat`,
);
test(
  '1.9 and a load-balancer IP that the node has bound',
  answers,
  cluster(),
  OUTSIDE,
  'TCP 203.0.113.6:30080',
  `external: forward default/quote nodePort Cluster ${BOTH}, snat`,
  { localAddresses: [...NODE.localAddresses, '203.0.113.6'] },
);
// --- 1.10 Session affinity ---

function withTimeout(timeoutSeconds: number | null): Partial<RawService['spec']> {
  return { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds } } };
}
for (const [title, spec, seconds] of [
  ['ClientIP', { sessionAffinity: 'ClientIP' }, 10800],
  ['a time-out of its own', withTimeout(60), 60],
  ['the shortest', withTimeout(1), 1],
  ['a day', withTimeout(86_400), 86_400],
  ['more than a day', withTimeout(86_401), 10800],
  ['none', withTimeout(0), 10800],
  ['less than nothing', withTimeout(-1), 10800],
  ['half a second', withTimeout(0.5), 10800],
  ['null', withTimeout(null), 10800],
  ['no ClientIP', { ...withTimeout(60), sessionAffinity: 'None' }, undefined],
  ['nothing said', { ...withTimeout(60), sessionAffinity: null }, undefined],
] as const) {
  const affinity = seconds === undefined ? '' : `, affinity ${seconds} s`;
  test(
    `1.10 affinity: ${title}`,
    answers,
    cluster([quote(spec)]),
    POD,
    QUOTE,
    `${SERVED}${affinity}`,
  );
}
