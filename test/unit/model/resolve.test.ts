// SPDX-License-Identifier: Apache-2.0
// A Service and its slices to frontends, routes, members and source ranges (semantics 1.3, 1.5, 1.6, 1.8, 1.9).
// Which endpoints are in the two lists is the business of endpoint-selection.test.ts.

import test from 'ava';
import fc from 'fast-check';
import { formatEndpoint, type IpAddress, type IpFamily } from '../../../agent/model/address.ts';
import type { NodeTraits } from '../../../agent/model/endpoint-selection.ts';
import type { EndpointSliceSpec, ServiceSpec } from '../../../agent/model/objects.ts';
import {
  type ResolvedFrontend,
  type Route,
  resolve,
  sourceRangesOf,
} from '../../../agent/model/resolve.ts';
import { type Backend, frontendKey, isDialled } from '../../../agent/model/service-port.ts';
import { address, prefixes, type ServicePortText, service, slice } from '../../helpers/objects.ts';

const NODE: NodeTraits = {
  name: 'node-1',
  zone: 'zone-a',
  nodeIPs: [address('172.16.0.1'), address('fd00:16::1')],
};

const quote = (
  clusterIPs: readonly string[],
  ports: readonly ServicePortText[],
  more: Partial<ServiceSpec> = {},
) => service('default/quote', clusterIPs, ports, undefined, more);
const ips = (...texts: string[]): IpAddress[] => texts.map(address);

const HTTP = (...endpoints: string[]) => [
  slice('default/quote-1', 'quote', ['http/TCP:8080'], endpoints),
];

/** `http 10.96.0.1:80/TCP clusterIP: cluster 10.244.1.2:8080`; behind it what is so for clients outside alone. */
function frontendText(
  portName: string,
  { frontend, kind, inside, outside, isRestricted }: ResolvedFrontend,
): string {
  const target = ({ list, backends, onEmpty }: Route) =>
    `${list} ${backends.map(backendText).join(' ') || onEmpty}`;
  const [targetInside, targetOutside] = [target(inside), target(outside)];
  return [
    `${portName} ${frontendKey(frontend)} ${kind}: ${targetInside}`.trim(),
    targetOutside === targetInside ? '' : `, outside ${targetOutside}`,
    isRestricted ? '; restricted' : '',
  ].join('');
}

function backendText({ address: ip, port }: Backend): string {
  return formatEndpoint(ip, port);
}

function frontendsOf(spec: ServiceSpec, slices: readonly EndpointSliceSpec[]): string[] {
  return resolve(spec, slices, NODE).flatMap(({ servicePort, frontends }) =>
    frontends.map((one) => frontendText(servicePort.portName, one)),
  );
}

const resolves = test.macro(
  (t, spec: ServiceSpec, slices: EndpointSliceSpec[], expected: string[]) => {
    t.deepEqual(frontendsOf(spec, slices), expected);
  },
);

test(
  'an unnamed port joins an unnamed port',
  resolves,
  quote(['10.96.0.1'], ['TCP:80']),
  [slice('default/quote-1', 'quote', ['TCP:8080'], ['10.244.1.2'])],
  ['10.96.0.1:80/TCP clusterIP: cluster 10.244.1.2:8080', '10.96.0.1:* otherPorts: cluster reject'],
);

test(
  'without slices everything is refused',
  resolves,
  quote(['10.96.0.1', 'fd00::1'], ['http/TCP:80']),
  [],
  [
    'http 10.96.0.1:80/TCP clusterIP: cluster reject',
    'http 10.96.0.1:* otherPorts: cluster reject',
    'http [fd00::1]:80/TCP clusterIP: cluster reject',
    'http [fd00::1]:* otherPorts: cluster reject',
  ],
);

test('a Service without ports has nothing', resolves, quote(['10.96.0.1'], []), [], []);

test(
  'ports join by name and protocol, not by number; what a clusterIP does not serve stands once',
  resolves,
  quote(['10.96.0.1'], ['http/TCP:80', 'admin/TCP:81', 'http/UDP:80']),
  [slice('default/quote-1', 'quote', ['admin/TCP:80', 'http/TCP:81', 'x/UDP:80'], ['10.244.1.2'])],
  [
    'http 10.96.0.1:80/TCP clusterIP: cluster 10.244.1.2:81',
    'http 10.96.0.1:* otherPorts: cluster reject',
    'admin 10.96.0.1:81/TCP clusterIP: cluster 10.244.1.2:80',
    'http 10.96.0.1:80/UDP clusterIP: cluster reject',
  ],
);

test(
  'slices add up, each with its own number for a port name',
  resolves,
  quote(['10.96.0.1'], ['http/TCP:80']),
  [
    slice('default/quote-2', 'quote', ['http/TCP:9090'], ['10.244.2.3']),
    slice('default/quote-1', 'quote', ['http/TCP:8080'], ['10.244.1.2', '10.244.1.1']),
    slice('default/quote-3', 'quote', ['admin/TCP:8080'], ['10.244.3.4']),
  ],
  [
    'http 10.96.0.1:80/TCP clusterIP: cluster 10.244.1.1:8080 10.244.1.2:8080 10.244.2.3:9090',
    'http 10.96.0.1:* otherPorts: cluster reject',
  ],
);

test(
  'one slice may give a name two numbers',
  resolves,
  quote(['10.96.0.1'], ['http/TCP:80']),
  [slice('default/quote-1', 'quote', ['http/TCP:8080', 'http/TCP:8081'], ['10.244.1.2'])],
  [
    'http 10.96.0.1:80/TCP clusterIP: cluster 10.244.1.2:8080 10.244.1.2:8081',
    'http 10.96.0.1:* otherPorts: cluster reject',
  ],
);

test(
  'each family has its own backends',
  resolves,
  quote(['fd00::1', '10.96.0.1'], ['TCP:80']),
  [
    slice('default/quote-4', 'quote', ['TCP:8080'], ['10.244.1.2']),
    slice('default/quote-6', 'quote', ['TCP:8080'], ['fd01::2', 'fd01::1']),
  ],
  [
    '[fd00::1]:80/TCP clusterIP: cluster [fd01::1]:8080 [fd01::2]:8080',
    '[fd00::1]:* otherPorts: cluster reject',
    '10.96.0.1:80/TCP clusterIP: cluster 10.244.1.2:8080',
    '10.96.0.1:* otherPorts: cluster reject',
  ],
);

test(
  'every kind of frontend, in each family that the Service has',
  resolves,
  quote(['10.96.0.1', 'fd00::1'], ['http/TCP:80 30080', 'dns/UDP:53'], {
    loadBalancerIPs: ips('192.0.2.1', '2001:db8::1'),
    externalIPs: ips('198.51.100.1', '2001:db8::2'),
  }),
  [
    slice('default/quote-1', 'quote', ['http/TCP:8080'], ['10.244.1.2']),
    slice('default/quote-2', 'quote', ['http/TCP:8080'], ['fd01::2']),
  ],
  [
    'http 10.96.0.1:80/TCP clusterIP: cluster 10.244.1.2:8080',
    'http 192.0.2.1:80/TCP loadBalancer: cluster 10.244.1.2:8080',
    'http 198.51.100.1:80/TCP externalIP: cluster 10.244.1.2:8080',
    'http nodePort 0.0.0.0:30080/TCP nodePort: cluster 10.244.1.2:8080',
    'http 10.96.0.1:* otherPorts: cluster reject',
    'http echo 192.0.2.1 echo: cluster reject',
    'http echo 198.51.100.1 echo: cluster reject',
    'http [fd00::1]:80/TCP clusterIP: cluster [fd01::2]:8080',
    'http [2001:db8::1]:80/TCP loadBalancer: cluster [fd01::2]:8080',
    'http [2001:db8::2]:80/TCP externalIP: cluster [fd01::2]:8080',
    'http nodePort [::]:30080/TCP nodePort: cluster [fd01::2]:8080',
    'http [fd00::1]:* otherPorts: cluster reject',
    'http echo 2001:db8::1 echo: cluster reject',
    'http echo 2001:db8::2 echo: cluster reject',
    'dns 10.96.0.1:53/UDP clusterIP: cluster reject',
    'dns 192.0.2.1:53/UDP loadBalancer: cluster reject',
    'dns 198.51.100.1:53/UDP externalIP: cluster reject',
    'dns [fd00::1]:53/UDP clusterIP: cluster reject',
    'dns [2001:db8::1]:53/UDP loadBalancer: cluster reject',
    'dns [2001:db8::2]:53/UDP externalIP: cluster reject',
  ],
);

test(
  'addresses of a family without a clusterIP count for nothing',
  resolves,
  quote(['fd00::1'], ['http/TCP:80 30080'], {
    loadBalancerIPs: ips('192.0.2.1'),
    externalIPs: ips('198.51.100.1'),
  }),
  HTTP('10.244.1.2'),
  [
    'http [fd00::1]:80/TCP clusterIP: cluster reject',
    'http nodePort [::]:30080/TCP nodePort: cluster reject',
    'http [fd00::1]:* otherPorts: cluster reject',
  ],
);

test(
  'an address that stands in several places of a Service is one frontend: clusterIP before loadBalancer before externalIP',
  resolves,
  quote(['10.96.0.1'], ['http/TCP:80'], {
    loadBalancerIPs: ips('192.0.2.1', '192.0.2.1'),
    externalIPs: ips('192.0.2.1', '10.96.0.1', '192.0.2.2'),
  }),
  [],
  [
    'http 10.96.0.1:80/TCP clusterIP: cluster reject',
    'http 192.0.2.1:80/TCP loadBalancer: cluster reject',
    'http 192.0.2.2:80/TCP externalIP: cluster reject',
    'http 10.96.0.1:* otherPorts: cluster reject',
    'http echo 192.0.2.1 echo: cluster reject',
    'http echo 192.0.2.2 echo: cluster reject',
  ],
);

/**
 * What traffic policies make of the endpoints (semantics 1.6).
 *
 * @param expected of the clusterIP, then of every other kind, but for `otherPorts` and `echo`, which no policy changes.
 */
const routes = test.macro({
  exec(
    t,
    [internal, external]: readonly [ServiceSpec['internalTrafficPolicy'], string],
    endpoints: readonly string[],
    [clusterIP, others]: readonly [string, string],
  ) {
    const spec = quote(['10.96.0.1'], ['http/TCP:80 30080'], {
      loadBalancerIPs: ips('192.0.2.1'),
      externalIPs: ips('198.51.100.1'),
      internalTrafficPolicy: internal,
      externalTrafficPolicy: external as ServiceSpec['externalTrafficPolicy'],
    });
    t.deepEqual(frontendsOf(spec, HTTP(...endpoints)), [
      `http 10.96.0.1:80/TCP clusterIP: ${clusterIP}`,
      `http 192.0.2.1:80/TCP loadBalancer: ${others}`,
      `http 198.51.100.1:80/TCP externalIP: ${others}`,
      `http nodePort 0.0.0.0:30080/TCP nodePort: ${others}`,
      'http 10.96.0.1:* otherPorts: cluster reject',
      'http echo 192.0.2.1 echo: cluster reject',
      'http echo 198.51.100.1 echo: cluster reject',
    ]);
  },
  title: (_, [internal, external]: readonly [string, string], endpoints: readonly string[]) =>
    `internal ${internal}, external ${external}, of ${endpoints.join(', ') || 'none'}`,
});

const HERE = '10.244.1.2 on:node-1';
const THERE = '10.244.2.2 on:node-2';
const ALL = 'cluster 10.244.1.2:8080 10.244.2.2:8080';
const LOCAL = 'local 10.244.1.2:8080';
const ONLY_THERE = 'cluster 10.244.2.2:8080';

test(routes, ['Cluster', 'Cluster'], [HERE, THERE], [ALL, ALL]);
test(routes, ['Cluster', 'Local'], [HERE, THERE], [ALL, `${ALL}, outside ${LOCAL}`]);
test(routes, ['Local', 'Cluster'], [HERE, THERE], [LOCAL, ALL]);
test(routes, ['Local', 'Local'], [HERE, THERE], [LOCAL, `${ALL}, outside ${LOCAL}`]);
// Some node has an endpoint, this one has none: dropped, not refused.
test(routes, ['Cluster', 'Local'], [THERE], [ONLY_THERE, `${ONLY_THERE}, outside local drop`]);
test(routes, ['Local', 'Cluster'], [THERE], ['local drop', ONLY_THERE]);
test(routes, ['Local', 'Local'], [THERE], ['local drop', `${ONLY_THERE}, outside local drop`]);
// No node has one: refused.
test(routes, ['Local', 'Local'], [], ['local reject', 'cluster reject, outside local reject']);
test(routes, ['Cluster', 'Cluster'], ['10.244.1.2 unready'], ['cluster reject', 'cluster reject']);
// The two lists fall back to terminating endpoints each for itself.
test(
  routes,
  ['Local', 'Local'],
  [`${HERE} terminating serving`, THERE],
  [LOCAL, `${ONLY_THERE}, outside ${LOCAL}`],
);
test(
  routes,
  ['Cluster', 'Local'],
  [`${HERE} terminating serving`, `${THERE} terminating serving`],
  [ALL, `${ALL}, outside ${LOCAL}`],
);
// Hints narrow the cluster list alone.
test(
  routes,
  ['Cluster', 'Local'],
  [`${HERE} for:zone-b`, `${THERE} for:zone-a`],
  [ONLY_THERE, `${ONLY_THERE}, outside ${LOCAL}`],
);

/** @param expected each backend that may be remembered, with the lists that it is in; `here` when it is on the node. */
const remembers = test.macro(
  (t, spec: ServiceSpec, slices: EndpointSliceSpec[], expected: string[]) => {
    const members = resolve(spec, slices, NODE).flatMap((port) =>
      port.members.map(({ backend, isInCluster, isInLocal, isOnNode }) =>
        [
          port.servicePort.portName,
          backendText(backend),
          isInCluster ? 'cluster' : '',
          isInLocal ? 'local' : '',
          isOnNode ? 'here' : '',
        ]
          .filter((word) => word !== '')
          .join(' '),
      ),
    );
    t.deepEqual(members, expected);
  },
);
const DNS = quote(['10.96.0.1'], ['dns/UDP:53']);
const dns = (...endpoints: string[]) => [
  slice('default/quote-1', 'quote', ['dns/UDP:53'], endpoints),
];

const BOTH = ['http 10.244.1.2:8080 cluster local here', 'http 10.244.2.2:8080 cluster'];
for (const [what, spec, expected] of [
  ['by clusterIPs alone: what is here', quote(['10.96.0.1'], ['http/TCP:80']), BOTH.slice(0, 1)],
  [
    'with affinity: all',
    quote(['10.96.0.1'], ['http/TCP:80'], { affinityTimeoutSeconds: 10 }),
    BOTH,
  ],
  ['by a nodePort: all', quote(['10.96.0.1'], ['http/TCP:80 30080']), BOTH],
  [
    'by an external address: all',
    quote(['10.96.0.1'], ['http/TCP:80'], { externalIPs: ['192.0.2.9'].map(address) }),
    BOTH,
  ],
  [
    'by a load balancer: all',
    quote(['10.96.0.1'], ['http/TCP:80'], { loadBalancerIPs: ['192.0.2.9'].map(address) }),
    BOTH,
  ],
] as const) {
  test(`TCP remembers what serves, ${what}`, (t) => {
    const [port] = resolve(spec, HTTP(HERE, THERE), NODE);
    t.deepEqual(
      port?.members.map(({ backend }) => `http ${backendText(backend)}`),
      expected.map((text) => text.split(' ').slice(0, 2).join(' ')),
    );
    t.is(port?.forgetsMembers, expected.length === 1);
  });
}
test('UDP remembers what serves', remembers, DNS, dns(HERE, THERE), [
  'dns 10.244.1.2:53 cluster local here',
  'dns 10.244.2.2:53 cluster',
]);
test(
  'each port has its own, whatever the protocol',
  remembers,
  quote(['10.96.0.1'], ['http/TCP:80', 'x/SCTP:7'], { affinityTimeoutSeconds: 10 }),
  [slice('default/quote-1', 'quote', ['http/TCP:8080', 'x/SCTP:7'], [THERE])],
  ['http 10.244.2.2:8080 cluster', 'x 10.244.2.2:7 cluster'],
);
test(
  'what drains stays a member, in no list; what does not serve is none',
  remembers,
  DNS,
  dns(
    HERE,
    '10.244.1.3 terminating serving',
    '10.244.1.4 serving',
    '10.244.1.5 terminating',
    '10.244.1.6 unready',
  ),
  ['dns 10.244.1.2:53 cluster local here', 'dns 10.244.1.3:53', 'dns 10.244.1.4:53'],
);
test(
  'what terminates and serves as a last resort is in its lists',
  remembers,
  DNS,
  dns('10.244.1.2 terminating serving on:node-1', THERE),
  ['dns 10.244.1.2:53 local here', 'dns 10.244.2.2:53 cluster'],
);
test(
  'what drains is where it is',
  remembers,
  DNS,
  dns('10.244.1.3 terminating serving on:node-1', THERE, '10.244.2.3'),
  ['dns 10.244.1.3:53 local here', 'dns 10.244.2.2:53 cluster', 'dns 10.244.2.3:53 cluster'],
);
test(
  'what is hinted elsewhere stays a member',
  remembers,
  DNS,
  dns('10.244.1.2 for:zone-b', '10.244.2.2 for:zone-a'),
  ['dns 10.244.1.2:53', 'dns 10.244.2.2:53 cluster'],
);
test(
  'members are those of both families, and of no other',
  remembers,
  quote(['fd00::1', '10.96.0.1'], ['dns/UDP:53']),
  [...dns('10.244.1.2'), slice('default/quote-6', 'quote', ['dns/UDP:53'], ['fd01::2'])],
  ['dns [fd01::2]:53 cluster', 'dns 10.244.1.2:53 cluster'],
);
test(
  'members of one family alone',
  remembers,
  DNS,
  [...dns('10.244.1.2'), slice('default/quote-6', 'quote', ['dns/UDP:53'], ['fd01::2'])],
  ['dns 10.244.1.2:53 cluster'],
);

test('each service port has its name, and the affinity of its Service', (t) => {
  const spec = quote(['10.96.0.1'], ['http/TCP:80', 'dns/UDP:53'], {
    affinityTimeoutSeconds: 10800,
  });
  t.deepEqual(
    resolve(spec, [], NODE).map(({ servicePort, affinityTimeoutSeconds }) => [
      servicePort,
      affinityTimeoutSeconds,
    ]),
    [
      [{ service: 'default/quote', portName: 'http', protocol: 'TCP' }, 10800],
      [{ service: 'default/quote', portName: 'dns', protocol: 'UDP' }, 10800],
    ],
  );
});

/** @param expected what is let in, of both families; then the frontends that are restricted. */
const restricts = test.macro(
  (t, ranges: readonly string[], expected: readonly string[], restricted: readonly string[][]) => {
    const spec = quote(['10.96.0.1', 'fd00::1'], ['http/TCP:80 30080'], {
      loadBalancerIPs: ips('192.0.2.1', '2001:db8::1'),
      externalIPs: ips('198.51.100.1'),
      loadBalancerSourceRanges: prefixes(...ranges),
    });
    const [port] = resolve(spec, [], NODE);
    t.deepEqual(port?.sourceRanges, prefixes(...expected));
    t.deepEqual(
      port?.frontends.filter((one) => one.isRestricted).map((one) => frontendKey(one.frontend)),
      restricted.flat(),
    );
  },
);
const RESTRICTED_4 = ['192.0.2.1:80/TCP', 'echo 192.0.2.1'];
const RESTRICTED_6 = ['[2001:db8::1]:80/TCP', 'echo 2001:db8::1'];

test('no source ranges: everybody', restricts, [], [], []);
test(
  'source ranges are for load-balancer addresses of their family alone',
  restricts,
  ['10.0.0.0/8', '10.1.0.0/16'],
  ['10.0.0.0/8', '10.1.0.0/16'],
  [RESTRICTED_4],
);
test(
  'source ranges of both families',
  restricts,
  ['2001:db8:1::/48', '10.0.0.0/8'],
  ['10.0.0.0/8', '2001:db8:1::/48'],
  [RESTRICTED_4, RESTRICTED_6],
);
test(
  'a /0 lets everybody in, of its family',
  restricts,
  ['10.0.0.0/8', '0.0.0.0/0', 'fd00:1::/32'],
  ['fd00:1::/32'],
  [RESTRICTED_6],
);
test(
  'a /0 of IPv6',
  restricts,
  ['10.0.0.0/8', '::/0', 'fd00:1::/32'],
  ['10.0.0.0/8'],
  [RESTRICTED_4],
);
test(
  'where the node itself may, what it sends from the load-balancer address may too',
  restricts,
  ['172.16.0.0/12', 'fd00:1::/32'],
  ['172.16.0.0/12', '192.0.2.1/32', 'fd00:1::/32'],
  [RESTRICTED_4, RESTRICTED_6],
);
test(
  'the same of IPv6',
  restricts,
  ['10.0.0.0/8', 'fd00:16::/32'],
  ['10.0.0.0/8', 'fd00:16::/32', '2001:db8::1/128'],
  [RESTRICTED_4, RESTRICTED_6],
);
test(
  'a load-balancer address that is among the ranges stands there once',
  restricts,
  ['172.16.0.1/32', '192.0.2.1/32'],
  ['172.16.0.1/32', '192.0.2.1/32'],
  [RESTRICTED_4],
);

test('a node whose addresses are not known lets in what the Service says', (t) => {
  const spec = quote(['10.96.0.1'], ['http/TCP:80'], {
    loadBalancerIPs: ips('192.0.2.1'),
    loadBalancerSourceRanges: prefixes('172.16.0.0/12'),
  });
  const ranges = (family: IpFamily) => sourceRangesOf(spec, family, { ...NODE, nodeIPs: [] });
  t.deepEqual(ranges('IPv4'), prefixes('172.16.0.0/12'));
  t.deepEqual(ranges('IPv6'), []);
});

const endpoints = fc
  .tuple(
    fc.constantFrom('10.244.1.1', '10.244.1.2', '10.244.1.3'),
    fc.constantFrom(
      '',
      ' unready',
      ' serving',
      ' terminating',
      ' terminating serving',
      ' terminating ready',
    ),
    fc.constantFrom('', ' on:node-1', ' on:node-2'),
    fc.constantFrom('', ' for:zone-a', ' for:zone-b'),
  )
  .map((words) => words.join(''));
const slices = fc
  .array(fc.array(endpoints, { maxLength: 3 }), { maxLength: 4 })
  .map((all) => all.map((of, i) => slice(`default/quote-${i}`, 'quote', ['TCP:8080'], of)));
const policies = fc.record({
  internalTrafficPolicy: fc.constantFrom('Cluster' as const, 'Local' as const),
  externalTrafficPolicy: fc.constantFrom('Cluster' as const, 'Local' as const),
  affinityTimeoutSeconds: fc.constantFrom(0, 10),
});

test('the order of slices makes no difference', (t) => {
  const shuffled = slices.chain((all) =>
    fc.tuple(
      fc.constant(all),
      fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length }),
    ),
  );
  fc.assert(
    fc.property(shuffled, policies, ([all, other], more) => {
      const spec = quote(['10.96.0.1'], ['TCP:80 30080'], more);
      t.deepEqual(resolve(spec, other, NODE), resolve(spec, all, NODE));
    }),
  );
});

test('what a client may be sent to is a member of the list that sent it', (t) => {
  fc.assert(
    fc.property(slices, policies, (all, more) => {
      const spec = quote(['10.96.0.1'], ['TCP:80 30080'], {
        ...more,
        affinityTimeoutSeconds: 10,
      });
      const [port] = resolve(spec, all, NODE);
      const inList = (list: Route['list']) =>
        (port?.members ?? [])
          .filter((one) => (list === 'local' ? one.isInLocal : one.isInCluster))
          .map(({ backend }) => backendText(backend));
      for (const { inside, outside, kind } of port?.frontends ?? []) {
        if (!isDialled(kind)) continue;
        for (const { list, backends } of [inside, outside]) {
          t.deepEqual(backends.map(backendText), inList(list));
        }
      }
    }),
  );
});
