// SPDX-License-Identifier: Apache-2.0
// What happens to a connection, one row for each line of semantics 1.3 and 1.5 to 1.10 with the decisions
// of 1.18. An outcome in text is the verdict and what decided, or the backends with what is done to the
// client's address.

import test from 'ava';
import { parsePrefix } from '../../../agent/model/address.ts';
import { ClusterState } from '../../../agent/model/cluster-state.ts';
import { Explainer } from '../../../agent/model/explain.ts';
import type { Explanation, Query } from '../../../agent/model/explanation.ts';
import {
  type NodeFacts,
  type NodePortAddresses,
  parseNodePortAddresses,
} from '../../../agent/model/node-facts.ts';
import type { EndpointSliceSpec, Protocol, ServiceSpec } from '../../../agent/model/objects.ts';
import { DEFAULT_MASQUERADE_PORTS } from '../../../agent/model/port-ranges.ts';
import { address, keyOf, service, slice } from '../../helpers/objects.ts';

const explain = (cluster: ClusterState, node: NodeFacts, asked: Query) =>
  new Explainer(cluster, node).explain(asked);

const prefixes = (...texts: string[]) => texts.flatMap((text) => parsePrefix(text) ?? []);
const addresses = (...texts: string[]) => texts.map(address);

/** node-1, in zone-a: its pods are in 10.244.1.0/24 and fd01:1::/64, those of the cluster in 10.244.0.0/16. */
const NODE: NodeFacts = {
  name: 'node-1',
  zone: 'zone-a',
  nodeIPs: addresses('192.168.0.1', 'fd02::1'),
  localAddresses: new Set(addresses('192.168.0.1', '172.17.0.1', 'fd02::1')),
  nodePortAddresses: [],
  clusterCIDRs: prefixes('10.244.0.0/16', 'fd01::/48'),
  serviceCIDRs: prefixes('10.96.0.0/12', 'fd00::/112'),
  masqueradeAll: false,
  masqueradePorts: DEFAULT_MASQUERADE_PORTS,
};
const NO_DETECTOR: Partial<NodeFacts> = { clusterCIDRs: [] };

const POD = '10.244.1.7';
const OTHER_POD = '10.244.2.7';
const OUTSIDER = '203.0.113.9';

interface Cluster {
  readonly services: readonly ServiceSpec[];
  readonly slices: readonly EndpointSliceSpec[];
}

function clusterState({ services, slices }: Cluster): ClusterState {
  const state = new ClusterState();
  for (const spec of services) state.upsertService(keyOf(spec), { spec });
  for (const spec of slices) state.upsertEndpointSlice(keyOf(spec), { spec });
  return state;
}

function query(text: string): Query {
  const [from = '', to = ''] = text.split(' -> ');
  const [, protocol = '', ip = '', port] = to.match(/^(\w+)\/(.+):(\d+)$/) ?? [];
  return {
    from: from === 'host' || from === 'external' ? from : address(from),
    to: {
      protocol: protocol.toUpperCase() as Protocol,
      address: address(ip.replace(/^\[(.*)\]$/, '$1')),
      port: Number(port),
    },
  };
}

/** `forward 10.244.1.1:8080 10.244.2.1:8080, snat` or `reject closed-port`. */
function outcome({ verdict, cause, backends, masquerade }: Explanation): string {
  if (verdict !== 'forward') return `${verdict} ${cause}`;
  const to = backends.map(({ backend }) => `${backend.address}:${backend.port}`).join(' ');
  return `${verdict} ${to}${masquerade ? ', snat' : ''}`;
}

const says = test.macro({
  exec(t, _: string, cluster: Cluster, asked: string, expected: string, node?: Partial<NodeFacts>) {
    t.is(outcome(explain(clusterState(cluster), { ...NODE, ...node }, query(asked))), expected);
  },
  title: (_, what, __, asked, expected) => `${what}: ${asked}: ${expected}`,
});

/** One Service `default/web`, with endpoints as of test/helpers/objects.ts. */
function web(more: Partial<ServiceSpec>, ...endpoints: string[]): Cluster {
  return {
    services: [service('default/web', ['10.96.0.1'], ['http/TCP:80 30080'], '2026-01-01', more)],
    slices: endpoints.length ? [slice('default/web-1', 'web', ['http/TCP:8080'], endpoints)] : [],
  };
}

const LB = '198.51.100.1';
const EXTERNAL = '198.51.100.2';
const EXPOSED = {
  loadBalancerIPs: addresses(LB),
  externalIPs: addresses(EXTERNAL),
} satisfies Partial<ServiceSpec>;
const HERE = '10.244.1.1 on:node-1';
const THERE = '10.244.2.1 on:node-2';
const BOTH = 'forward 10.244.1.1:8080 10.244.2.1:8080';
const [TO_CLUSTER_IP, TO_LB, TO_EXTERNAL, TO_NODE_PORT] = [
  'tcp/10.96.0.1:80',
  `tcp/${LB}:80`,
  `tcp/${EXTERNAL}:80`,
  'tcp/192.168.0.1:30080',
];

// 1.3: what of a Service is a frontend.
const everyWay = web(EXPOSED, HERE, THERE);
test(says, '1.3 clusterIP', everyWay, `${POD} -> ${TO_CLUSTER_IP}`, BOTH);
test(says, '1.3 load-balancer IP', everyWay, `${POD} -> ${TO_LB}`, `${BOTH}, snat`);
test(says, '1.3 externalIP', everyWay, `${POD} -> ${TO_EXTERNAL}`, `${BOTH}, snat`);
test(says, '1.3 nodePort', everyWay, `${POD} -> ${TO_NODE_PORT}`, `${BOTH}, snat`);
test(says, '1.3 another address', everyWay, `${POD} -> tcp/8.8.8.8:80`, 'pass unknown-address');
test(says, '1.3 another protocol', everyWay, `${POD} -> udp/${LB}:80`, 'pass unserved-port');
const mixed: Cluster = {
  services: [service('default/web', ['fd00::1'], ['TCP:80'], undefined, EXPOSED)],
  slices: [slice('default/web-1', 'web', ['TCP:8080'], ['10.244.1.1'])],
};
test(
  says,
  '1.3 an address of a family without clusterIP',
  mixed,
  `${POD} -> ${TO_LB}`,
  'pass unserved-port',
);
test(
  says,
  '1.3 families have their own endpoints',
  mixed,
  'fd01::7 -> tcp/[fd00::1]:80',
  'reject no-endpoints',
);

test(
  says,
  '1.2 families never mix',
  everyWay,
  `fd01::7 -> ${TO_CLUSTER_IP}`,
  'pass families-differ',
);

// 1.5: which endpoints.
const select = (asked: string, expected: string, ...endpoints: string[]) =>
  test(says, `1.5 of ${endpoints.join(', ')}`, web(EXPOSED, ...endpoints), asked, expected);
const POD_TO_IP = `${POD} -> ${TO_CLUSTER_IP}`;
select(POD_TO_IP, 'forward 10.244.1.1:8080', HERE, `${THERE} unready`);
select(POD_TO_IP, 'forward 10.244.1.1:8080', HERE, `${THERE} terminating serving`);
select(POD_TO_IP, 'forward 10.244.2.1:8080', `${HERE} unready`, `${THERE} terminating serving`);
select(POD_TO_IP, 'reject no-endpoints', `${HERE} unready`, `${THERE} terminating`);
select(POD_TO_IP, 'forward 10.244.1.1:8080', `${HERE} for:zone-a`, `${THERE} for:zone-b`);
select(POD_TO_IP, BOTH, `${HERE} for:zone-a`, THERE);
select(POD_TO_IP, BOTH, `${HERE} for:zone-c`, `${THERE} for:zone-b`);
select(POD_TO_IP, 'forward 10.244.1.1:8080', `${HERE} for:zone-a`, `${THERE} unready`);
select(POD_TO_IP, 'forward 10.244.1.1:8080', `${HERE} at:node-1`, `${THERE} at:node-2`);
select(
  POD_TO_IP,
  'forward 10.244.2.1:8080',
  `${HERE} at:node-3 for:zone-b`,
  `${THERE} at:node-2 for:zone-a`,
);
select(POD_TO_IP, 'forward 10.244.1.1:8080', '10.244.1.1 unready', '10.244.1.1');

// 1.6: verdicts. Rows are policy and where endpoints are, columns are client and what it dials.
const INTERNAL_LOCAL = { ...EXPOSED, internalTrafficPolicy: 'Local' } as const;
const EXTERNAL_LOCAL = { ...EXPOSED, externalTrafficPolicy: 'Local' } as const;
const nothing = web(EXPOSED);
for (const [who, to] of [
  [POD, TO_CLUSTER_IP],
  ['host', TO_CLUSTER_IP],
  [OUTSIDER, TO_LB],
  ['external', TO_EXTERNAL],
  ['external', TO_NODE_PORT],
]) {
  test(says, '1.6 no endpoint anywhere', nothing, `${who} -> ${to}`, 'reject no-endpoints');
  test(
    says,
    '1.6 no endpoint anywhere, all Local',
    web({ ...INTERNAL_LOCAL, ...EXTERNAL_LOCAL }, `${THERE} unready`),
    `${who} -> ${to}`,
    'reject no-endpoints',
  );
}
const iLocal = web(INTERNAL_LOCAL, HERE, THERE);
test(
  says,
  '1.6 internal Local, endpoints here',
  iLocal,
  `${POD} -> ${TO_CLUSTER_IP}`,
  'forward 10.244.1.1:8080',
);
test(
  says,
  '1.6 internal Local, endpoints here',
  iLocal,
  `host -> ${TO_CLUSTER_IP}`,
  'forward 10.244.1.1:8080, snat',
);
test(
  says,
  '1.6 internal Local binds no external address',
  iLocal,
  `external -> ${TO_LB}`,
  `${BOTH}, snat`,
);
const iAway = web(INTERNAL_LOCAL, THERE);
test(
  says,
  '1.6 internal Local, endpoints away',
  iAway,
  `${POD} -> ${TO_CLUSTER_IP}`,
  'drop no-local-endpoints',
);
test(
  says,
  '1.6 internal Local, endpoints away',
  iAway,
  `host -> ${TO_CLUSTER_IP}`,
  'drop no-local-endpoints',
);
test(
  says,
  '1.6 internal Local, endpoints away',
  iAway,
  `${POD} -> ${TO_NODE_PORT}`,
  'forward 10.244.2.1:8080, snat',
);
test(
  says,
  '1.6 internal Local, one terminating here',
  web(INTERNAL_LOCAL, `${HERE} terminating serving`, THERE),
  POD_TO_IP,
  'forward 10.244.1.1:8080',
);
test(
  says,
  '1.6 internal Local knows no hints',
  web(INTERNAL_LOCAL, `${HERE} for:zone-b`, `${THERE} for:zone-a`),
  POD_TO_IP,
  'forward 10.244.1.1:8080',
);
const eLocal = web(EXTERNAL_LOCAL, HERE, THERE);
const eAway = web(EXTERNAL_LOCAL, THERE);
test(
  says,
  '1.6 external Local binds no clusterIP',
  eLocal,
  `external -> ${TO_CLUSTER_IP}`,
  `${BOTH}, snat`,
);
for (const to of [TO_LB, TO_EXTERNAL, TO_NODE_PORT]) {
  test(
    says,
    '1.6 external Local, endpoints here',
    eLocal,
    `external -> ${to}`,
    'forward 10.244.1.1:8080',
  );
  test(
    says,
    '1.6 external Local, endpoints away',
    eAway,
    `external -> ${to}`,
    'drop no-local-endpoints',
  );
  test(says, '1.7 short-circuit of a pod', eLocal, `${POD} -> ${to}`, BOTH);
  test(says, '1.7 short-circuit of the host', eLocal, `host -> ${to}`, `${BOTH}, snat`);
  test(
    says,
    '1.7 short-circuit, endpoints away',
    eAway,
    `${POD} -> ${to}`,
    'forward 10.244.2.1:8080',
  );
}
const {
  services: [webOnly],
} = everyWay;
const known: Cluster = { ...everyWay, services: webOnly ? [webOnly] : [] };
test(
  says,
  '1.6 another port of a clusterIP',
  known,
  `${POD} -> tcp/10.96.0.1:81`,
  'reject closed-port',
);
test(
  says,
  '1.6 another protocol of a clusterIP',
  known,
  `${POD} -> udp/10.96.0.1:80`,
  'reject closed-port',
);
test(
  says,
  '1.6 another port of a load-balancer IP',
  known,
  `${POD} -> tcp/${LB}:81`,
  'pass unserved-port',
);
test(
  says,
  '1.6 another port of the node',
  known,
  `${POD} -> tcp/192.168.0.1:81`,
  'pass local-address',
);
test(says, '1.18 no Service’s clusterIP', known, `${POD} -> tcp/10.96.0.2:80`, 'drop unallocated');
test(
  says,
  '1.18 no Service’s clusterIP, CIDRs unknown',
  known,
  `${POD} -> tcp/10.96.0.2:80`,
  'pass unknown-address',
  { serviceCIDRs: [] },
);

const claim = (key: `default/${string}`, created: string | undefined, more: Partial<ServiceSpec>) =>
  service(key, [`10.96.1.${key.length}`], ['TCP:80'], created, more);
const claimed = (...services: ServiceSpec[]): Cluster => ({
  services,
  slices: services.map(({ name }, i) =>
    slice(`default/${name}-1`, name, ['TCP:8080'], [`10.244.1.${i + 1}`]),
  ),
});
const shared = { externalIPs: addresses(EXTERNAL) };
const oldest = claimed(
  claim('default/a', '2026-01-02', shared),
  claim('default/bb', '2026-01-01', shared),
);
test(
  says,
  '1.6 of two claims the older',
  oldest,
  `external -> ${TO_EXTERNAL}`,
  'forward 10.244.1.2:8080, snat',
);
const undated = claimed(
  claim('default/bb', undefined, shared),
  claim('default/a', undefined, shared),
);
test(
  says,
  '1.6 of two claims of one age the first by name',
  undated,
  `external -> ${TO_EXTERNAL}`,
  'forward 10.244.1.2:8080, snat',
);
const stolen = claimed(
  claim('default/a', '2026-01-01', { externalIPs: addresses('10.96.1.10') }),
  claim('default/bb', '2026-01-02', {}),
);
test(
  says,
  '1.6 a clusterIP before any other claim',
  stolen,
  `external -> tcp/10.96.1.10:80`,
  'forward 10.244.1.2:8080, snat',
);

// 1.7: whose address the backend sees.
test(says, '1.7 pod to clusterIP', everyWay, `${OTHER_POD} -> ${TO_CLUSTER_IP}`, BOTH);
test(says, '1.7 host to clusterIP', everyWay, `host -> ${TO_CLUSTER_IP}`, `${BOTH}, snat`);
test(
  says,
  '1.7 outsider to clusterIP',
  everyWay,
  `${OUTSIDER} -> ${TO_CLUSTER_IP}`,
  `${BOTH}, snat`,
);
test(says, '1.7 no detector', everyWay, `${OUTSIDER} -> ${TO_CLUSTER_IP}`, BOTH, NO_DETECTOR);
test(says, '1.7 no detector', everyWay, `host -> ${TO_CLUSTER_IP}`, BOTH, NO_DETECTOR);
test(says, '1.7 masqueradeAll', everyWay, `${POD} -> ${TO_CLUSTER_IP}`, `${BOTH}, snat`, {
  masqueradeAll: true,
});
test(
  says,
  '1.7 masqueradeAll without detector',
  everyWay,
  `${POD} -> ${TO_CLUSTER_IP}`,
  `${BOTH}, snat`,
  { ...NO_DETECTOR, masqueradeAll: true },
);
test(
  says,
  '1.7 masqueradeAll is of clusterIPs alone',
  eLocal,
  `external -> ${TO_LB}`,
  'forward 10.244.1.1:8080',
  { masqueradeAll: true },
);
test(says, '1.7 external Cluster', everyWay, `${OUTSIDER} -> ${TO_LB}`, `${BOTH}, snat`);
test(
  says,
  '1.7 external Cluster without detector',
  everyWay,
  `${OUTSIDER} -> ${TO_LB}`,
  `${BOTH}, snat`,
  NO_DETECTOR,
);
test(
  says,
  '1.7 a pod that reaches itself',
  web({}, HERE),
  `10.244.1.1 -> ${TO_CLUSTER_IP}`,
  'forward 10.244.1.1:8080, snat',
);
for (const from of ['host', '192.168.0.1']) {
  test(
    says,
    '1.7 the node that reaches itself',
    web({}, '192.168.0.1 on:node-1'),
    `${from} -> ${TO_CLUSTER_IP}`,
    'forward 192.168.0.1:8080, snat',
    NO_DETECTOR,
  );
}
test(says, '1.7 a pod that may reach itself', everyWay, `10.244.1.1 -> ${TO_CLUSTER_IP}`, BOTH);
test(
  says,
  '1.7 without detector, what is no endpoint is no pod',
  eAway,
  `10.244.1.1 -> ${TO_LB}`,
  'drop no-local-endpoints',
  NO_DETECTOR,
);
test(
  says,
  '1.7 an endpoint of this node is a pod without detector',
  eLocal,
  `10.244.1.1 -> ${TO_LB}`,
  BOTH,
  NO_DETECTOR,
);

for (const to of [TO_CLUSTER_IP, TO_LB]) {
  test(
    says,
    '1.7 an address of the node in a cluster CIDR is replaced no more than a pod’s',
    eLocal,
    `10.244.1.254 -> ${to}`,
    BOTH,
    { localAddresses: new Set(addresses('192.168.0.1', '10.244.1.254')) },
  );
}

// 1.8: source ranges.
const ranged = (...ranges: string[]) =>
  web({ ...EXPOSED, loadBalancerSourceRanges: prefixes(...ranges) }, HERE);
const one = 'forward 10.244.1.1:8080';
const blocked = 'drop source-not-allowed';
test(
  says,
  '1.8 inside a range',
  ranged('203.0.113.0/24'),
  `${OUTSIDER} -> ${TO_LB}`,
  `${one}, snat`,
);
test(
  says,
  '1.8 outside of every range',
  ranged('192.0.2.0/24'),
  `${OUTSIDER} -> ${TO_LB}`,
  blocked,
);
test(says, '1.8 pods are bound too', ranged('192.0.2.0/24'), `${POD} -> ${TO_LB}`, blocked);
test(says, '1.8 pods are bound too', ranged('10.244.1.0/24'), `${POD} -> ${TO_LB}`, `${one}, snat`);
test(
  says,
  '1.8 the host by its node IP',
  ranged('192.168.0.0/24'),
  `host -> ${TO_LB}`,
  `${one}, snat`,
);
test(says, '1.8 the host by its node IP', ranged('192.0.2.0/24'), `host -> ${TO_LB}`, blocked);
test(
  says,
  '1.8 a client of which nothing is known',
  ranged('203.0.113.0/24'),
  `external -> ${TO_LB}`,
  blocked,
);
test(
  says,
  '1.8 /0 is no restriction',
  ranged('192.0.2.0/24', '0.0.0.0/0'),
  `external -> ${TO_LB}`,
  `${one}, snat`,
);
test(
  says,
  '1.8 a range of the other family is none',
  ranged('2001:db8::/32'),
  `external -> ${TO_LB}`,
  `${one}, snat`,
);
test(
  says,
  '1.8 with the node allowed its own load-balancer IPs are',
  ranged('192.168.0.1/32'),
  `${LB} -> ${TO_LB}`,
  `${one}, snat`,
);
test(says, '1.8 else they are not', ranged('192.0.2.0/24'), `${LB} -> ${TO_LB}`, blocked);
for (const to of [TO_CLUSTER_IP, TO_EXTERNAL, TO_NODE_PORT]) {
  test(
    says,
    '1.8 only load-balancer IPs',
    ranged('192.0.2.0/24'),
    `${OUTSIDER} -> ${to}`,
    `${one}, snat`,
  );
}
const rangedNothing = web({ ...EXPOSED, loadBalancerSourceRanges: prefixes('192.0.2.0/24') });
test(says, '1.18 blocked before refused', rangedNothing, `${OUTSIDER} -> ${TO_LB}`, blocked);
test(
  says,
  '1.18 allowed, then refused',
  rangedNothing,
  `192.0.2.1 -> ${TO_LB}`,
  'reject no-endpoints',
);
const rangedAway = web(
  { ...EXTERNAL_LOCAL, loadBalancerSourceRanges: prefixes('192.0.2.0/24') },
  THERE,
);
test(says, '1.8 before the short-circuit', rangedAway, `${POD} -> ${TO_LB}`, blocked);

// 1.9: nodePorts.
const dials = (what: string, asked: string, expected: string, rule = '') =>
  test(says, `1.9 ${what}, on '${rule}'`, web({}, HERE), asked, expected, {
    nodePortAddresses: parseNodePortAddresses(rule) as NodePortAddresses,
  });
dials('any address of the node', 'external -> tcp/172.17.0.1:30080', `${one}, snat`);
dials('not a node IP', 'external -> tcp/172.17.0.1:30080', 'pass node-port-not-here', 'primary');
dials('a node IP', 'external -> tcp/192.168.0.1:30080', `${one}, snat`, 'primary');
dials('inside a CIDR', 'external -> tcp/172.17.0.1:30080', `${one}, snat`, '172.17.0.0/16');
dials(
  'outside of it',
  'external -> tcp/192.168.0.1:30080',
  'pass node-port-not-here',
  '172.17.0.0/16',
);
dials('another node', `${POD} -> tcp/192.168.0.2:30080`, 'pass node-port-elsewhere');
dials('another protocol', 'external -> udp/192.168.0.1:30080', 'pass local-address');
dials('a family without clusterIP', 'external -> tcp/[fd02::1]:30080', 'pass local-address');
dials('loopback from the host', 'host -> tcp/127.0.0.1:30080', `${one}, snat`);
dials('loopback from a local address', '192.168.0.1 -> tcp/127.0.0.1:30080', `${one}, snat`);
dials('the unspecified address is loopback', 'host -> tcp/0.0.0.0:30080', `${one}, snat`);
dials('loopback', 'host -> tcp/127.0.0.1:30080', 'pass node-port-not-here', 'primary');
dials('loopback', 'host -> tcp/127.0.0.1:30080', 'pass node-port-not-here', '192.168.0.0/16');
dials('loopback', 'host -> tcp/127.0.0.1:30080', `${one}, snat`, '127.0.0.0/8');
dials('a pod’s own loopback', `${POD} -> tcp/127.0.0.1:30080`, 'pass foreign-loopback');
dials('an outsider’s loopback', 'external -> tcp/127.0.0.1:30080', 'pass foreign-loopback');
dials('another port of loopback', 'host -> tcp/127.0.0.1:22', 'pass local-address');
test(
  says,
  '1.9 a load-balancer IP on a device of the node is served as such',
  web(
    {
      ...EXTERNAL_LOCAL,
      loadBalancerIPs: addresses('172.17.0.1'),
      loadBalancerSourceRanges: prefixes('192.0.2.0/24'),
    },
    HERE,
  ),
  'external -> tcp/172.17.0.1:80',
  blocked,
);
test(
  says,
  '1.9 and serves nodePorts',
  web({ ...EXTERNAL_LOCAL, loadBalancerIPs: addresses('172.17.0.1') }, HERE),
  'external -> tcp/172.17.0.1:30080',
  one,
);
test(
  says,
  'an endpoint without its Service',
  everyWay,
  `${POD} -> tcp/10.244.1.1:8080`,
  'pass endpoint-address',
);

// What else an explanation says.
const ask = (cluster: Cluster, asked: string, node: Partial<NodeFacts> = {}) =>
  explain(clusterState(cluster), { ...NODE, ...node }, query(asked));

test('a frontend names its Service, its kind and its policy', (t) => {
  const {
    service: name,
    frontend,
    servicePort,
    policy,
  } = ask(eLocal, `external -> ${TO_NODE_PORT}`);
  t.is(name, 'default/web');
  t.is(servicePort?.portName, 'http');
  t.is(policy, 'Local');
  t.deepEqual(frontend, {
    kind: 'nodePort',
    protocol: 'TCP',
    address: address('192.168.0.1'),
    port: 30080,
  });
  t.is(ask(eLocal, `external -> ${TO_CLUSTER_IP}`).policy, 'Cluster');
});

test('1.10 affinity is told, whatever the verdict', (t) => {
  const sticky = (...endpoints: string[]) => web({ affinityTimeoutSeconds: 90 }, ...endpoints);
  t.is(ask(sticky(HERE), POD_TO_IP).affinityTimeoutSeconds, 90);
  t.is(ask(sticky(), POD_TO_IP).affinityTimeoutSeconds, 90);
  t.is(ask(web({}, HERE), POD_TO_IP).affinityTimeoutSeconds, 0);
});

test('short-circuit and topology are told only where they decide', (t) => {
  const tell = ({ isShortCircuit, topology, isLastResort }: Explanation) => [
    isShortCircuit,
    topology,
    isLastResort,
  ];
  t.deepEqual(tell(ask(eLocal, `${POD} -> ${TO_LB}`)), [true, 'none', false]);
  t.deepEqual(tell(ask(eLocal, `external -> ${TO_LB}`)), [false, 'none', false]);
  t.deepEqual(tell(ask(everyWay, `${POD} -> ${TO_LB}`)), [false, 'none', false]);
  const hinted = web(EXTERNAL_LOCAL, `${HERE} for:zone-a`, `${THERE} for:zone-b`);
  t.deepEqual(tell(ask(hinted, POD_TO_IP)), [false, 'zone', false]);
  t.deepEqual(tell(ask(hinted, `external -> ${TO_LB}`)), [false, 'none', false]);
  t.deepEqual(tell(ask(web({}, `${HERE} at:node-1`), POD_TO_IP)), [false, 'node', false]);
  t.deepEqual(tell(ask(web({}, `${HERE} terminating serving`), POD_TO_IP)), [false, 'none', true]);
});

const excludes = test.macro({
  exec(t, more: Partial<ServiceSpec>, endpoints: string[], expected: string[]) {
    const { excluded } = ask(web(more, ...endpoints), POD_TO_IP);
    t.deepEqual(
      excluded.map(({ candidate, exclusion }) => `${candidate.backend.address} ${exclusion}`),
      expected,
    );
  },
  title: (_, more, endpoints) => `left out of ${endpoints} ${JSON.stringify(more)}`,
});
const [A, B, C, D] = ['10.244.1.1', '10.244.1.2', '10.244.1.3', '10.244.1.4'];
test(
  excludes,
  {},
  [A, `${B} unready`, `${C} terminating serving`, `${D} terminating`],
  [`${B} not ready`, `${C} terminating`, `${D} not serving`],
);
test(excludes, {}, [`${A} unready`], [`${A} not ready`]);
test(excludes, {}, [A, `${A} unready`], [`${A} duplicate`]);
test(excludes, {}, [`${A} for:zone-a`, `${B} for:zone-b`], [`${B} hinted to other zones`]);
test(excludes, {}, [`${A} at:node-1`, `${B} at:node-2`], [`${B} hinted to other nodes`]);
test(
  excludes,
  { internalTrafficPolicy: 'Local' },
  [`${A} on:node-1`, `${B} on:node-2`, C, `${D} on:node-1 terminating serving`],
  [`${B} on another node`, `${C} on another node`, `${D} terminating`],
);

const notes = test.macro({
  exec(
    t,
    _: string,
    cluster: Cluster,
    asked: string,
    expected: string[],
    node?: Partial<NodeFacts>,
  ) {
    t.deepEqual(
      ask(cluster, asked, node).notes.map(({ code }) => code),
      expected,
    );
  },
  title: (_, what, __, asked) => `notes on ${what}: ${asked}`,
});
const slices = (...made: EndpointSliceSpec[]): Cluster => ({ ...nothing, slices: made });
test(notes, 'nothing special', everyWay, POD_TO_IP, []);
test(notes, 'no slices', nothing, POD_TO_IP, ['no-slices']);
test(
  notes,
  'slices of the other family',
  slices(slice('default/web-1', 'web', ['http/TCP:8080'], ['fd01::1'])),
  POD_TO_IP,
  ['no-slices-of-family'],
);
test(
  notes,
  'another port name',
  slices(slice('default/web-1', 'web', ['web/TCP:8080'], [A])),
  POD_TO_IP,
  ['port-names-differ'],
);
test(
  notes,
  'another protocol',
  slices(slice('default/web-1', 'web', ['http/UDP:8080'], [A])),
  POD_TO_IP,
  ['port-names-differ'],
);
test(
  notes,
  'a slice without endpoints',
  slices(slice('default/web-1', 'web', ['http/TCP:8080'], [])),
  POD_TO_IP,
  ['empty-slices'],
);
test(
  notes,
  'the slice of a selector that matches no pod',
  slices(slice('default/web-1', 'web', [], [])),
  POD_TO_IP,
  ['empty-slices'],
);
test(notes, 'endpoints elsewhere', iAway, POD_TO_IP, [
  'endpoints-elsewhere',
  'node-without-endpoints',
]);
test(notes, 'a name that loses', stolen, 'external -> tcp/10.96.1.10:80', ['also-claimed']);
test(notes, 'a client among backends', everyWay, `10.244.1.1 -> ${TO_CLUSTER_IP}`, [
  'may-reach-itself',
]);
test(notes, 'the node among backends', web({}, HERE, '192.168.0.1'), `host -> ${TO_CLUSTER_IP}`, [
  'may-reach-itself',
]);
test(notes, 'no detector', eLocal, `${POD} -> ${TO_LB}`, ['no-detector'], NO_DETECTOR);
test(
  notes,
  'no detector, where it decides nothing',
  everyWay,
  `${POD} -> ${TO_LB}`,
  [],
  NO_DETECTOR,
);
test(notes, 'a closed port', everyWay, `${POD} -> tcp/10.96.0.1:81`, ['other-ports']);
test(notes, 'the nodePort on the clusterIP', everyWay, `${POD} -> tcp/10.96.0.1:30080`, [
  'other-ports',
  'dialled-node-port',
]);
test(notes, 'the endpoints’ port on the clusterIP', everyWay, `${POD} -> tcp/10.96.0.1:8080`, [
  'other-ports',
  'dialled-endpoint-port',
]);
test(notes, 'an unserved port', everyWay, `${POD} -> tcp/${LB}:81`, ['other-ports']);
test(notes, 'an address of the other family', mixed, `${POD} -> ${TO_LB}`, ['family-not-served']);
test(notes, 'another node', everyWay, `${POD} -> tcp/192.168.0.2:30080`, ['node-port-of']);
test(notes, 'another protocol of a nodePort', everyWay, `${POD} -> udp/192.168.0.1:30080`, [
  'other-ports',
]);
test(notes, 'an endpoint', everyWay, `${POD} -> tcp/10.244.1.1:8080`, ['endpoint-of']);
test(notes, 'the nodePort on a pod', everyWay, `${POD} -> tcp/10.244.1.1:30080`, ['endpoint-of']);
test(
  notes,
  'the nodePort on a node’s endpoint',
  web(EXPOSED, '192.168.0.2'),
  'host -> tcp/192.168.0.2:30080',
  ['node-port-of', 'endpoint-of'],
);

test('where endpoints are is counted', (t) => {
  const [note] = ask(
    web(
      INTERNAL_LOCAL,
      THERE,
      '10.244.2.2 on:node-2',
      '10.244.3.1',
      '10.244.4.1 on:node-4 unready',
    ),
    POD_TO_IP,
  ).notes;
  t.deepEqual(note, {
    code: 'endpoints-elsewhere',
    nodes: [
      { node: 'node-2', count: 2 },
      { node: undefined, count: 1 },
    ],
  });
});

test('what was left out is told to whom it concerns', (t) => {
  const state = clusterState(everyWay);
  const leftOut = 'spec.externalIPs[0]: "198.51.100.9" is not allowed here, nor is fe80::1';
  state.upsertService('default/web', { spec: webOnly as ServiceSpec, leftOut });
  state.upsertEndpointSlice('default/web-1-x', { invalid: 'no addressType' });
  state.upsertService('default/broken', { invalid: 'spec.clusterIP: "198.51.100.90"' });
  const told = (asked: string) =>
    explain(state, NODE, query(asked)).notes.flatMap((note) =>
      note.code === 'left-out' ? note.object.key : [],
    );
  t.deepEqual(told(POD_TO_IP), ['default/web', 'default/web-1-x']);
  t.deepEqual(told('external -> tcp/198.51.100.9:80'), ['default/web']);
  t.deepEqual(told('external -> tcp/[fe80::1]:80'), ['default/web']);
  t.deepEqual(told('external -> tcp/198.51.100.8:80'), []);
});

test('an Explainer answers for the cluster as it was', (t) => {
  const state = clusterState(everyWay);
  const explainer = new Explainer(state, NODE);
  state.remove('Service', 'default/web');
  t.is(outcome(explainer.explain(query(POD_TO_IP))), BOTH);
  t.is(outcome(explain(state, NODE, query(POD_TO_IP))), 'drop unallocated');
});

test('no name of a node is no match for endpoints without a node', (t) => {
  const nameless: Partial<NodeFacts> = { name: '' };
  t.is(outcome(ask(web(INTERNAL_LOCAL, A), POD_TO_IP, nameless)), 'drop no-local-endpoints');
});
