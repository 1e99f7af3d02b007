// SPDX-License-Identifier: Apache-2.0
// Random clusters and nodes for properties: raw Kubernetes objects of few names, addresses and ports, so that
// everything meets everything. Each field of the semantics 1.3 to 1.5 comes in all its values, and absent, null
// and wrong ones now and then. What no rule decides is not made: duplicates differ only where one must win.

import fc from 'fast-check';
import type {
  NodeDescription,
  RawCluster,
  RawEndpoint,
  RawEndpointPort,
  RawEndpointSlice,
  RawIngress,
  RawNode,
  RawService,
  RawServiceCidr,
  RawServicePort,
} from './raw-objects.ts';

const OWN_NODE = 'node-1';
const NAMESPACES = ['a', 'b', undefined];
const NAMES = ['p', 'q'];
const AGES = [undefined, null, '2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z'];

/** The same places in either family. */
export const ADDRESSES = {
  IPv4: {
    services: ['10.96.0.1', '10.96.0.2', '10.96.0.3'],
    outside: ['203.0.113.1', '203.0.113.2'],
    node: ['10.0.0.11', '10.0.0.12'],
    otherNode: ['10.0.0.21'],
    /** Of the node itself, but in its pod CIDR. */
    gateway: ['10.244.1.254'],
    pods: ['10.244.1.1', '10.244.1.2', '10.244.1.3'],
    otherPods: ['10.244.2.1', '10.244.2.2'],
    stranger: ['198.51.100.7'],
    loopback: ['127.0.0.1', '127.0.0.2'],
  },
  IPv6: {
    services: ['fd00:96::1', 'fd00:96::2', 'fd00:96::3'],
    outside: ['2001:db8::1', '2001:db8::2'],
    node: ['fd00:10::11', 'fd00:10::12'],
    otherNode: ['fd00:10::21'],
    gateway: ['fd00:244:0:1::254'],
    pods: ['fd00:244:0:1::1', 'fd00:244:0:1::2', 'fd00:244:0:1::3'],
    otherPods: ['fd00:244:0:2::1', 'fd00:244:0:2::2'],
    stranger: ['2001:db8:7::7'],
    loopback: ['::1'],
  },
};
export const FAMILIES = ['IPv4', 'IPv6'] as const;

// --- Services ---

type Spec = RawService['spec'];
type ClusterIPs = Pick<Spec, 'clusterIP' | 'clusterIPs' | 'ipFamilies'>;

const clusterIPs: fc.Arbitrary<ClusterIPs> = often(
  fc
    .record({
      families: fc.constantFrom<readonly ('IPv4' | 'IPv6')[]>(
        ['IPv4'],
        ['IPv4'],
        ['IPv6'],
        ['IPv4', 'IPv6'],
        ['IPv6', 'IPv4'],
      ),
      index: fc.nat(2),
      // Somebody else's external address as a clusterIP.
      isOutside: rarely(),
      saysAll: usually(),
      saysFamilies: usually(),
    })
    .map(({ families, index, isOutside, saysAll, saysFamilies }) => {
      const all = families.map((family) => {
        const { services, outside } = ADDRESSES[family];
        return (isOutside ? outside[0] : services[index]) ?? '';
      });
      const isAlone = families.length === 1;
      return {
        clusterIP: all[0],
        ...(saysAll || !isAlone ? { clusterIPs: all } : {}),
        ...(saysFamilies || !isAlone ? { ipFamilies: families } : {}),
      };
    }),
  fc.constantFrom<ClusterIPs>(
    { clusterIP: '' },
    { clusterIP: null, clusterIPs: null },
    { clusterIP: 'None', clusterIPs: ['None'] },
    { clusterIP: '10.96.0' },
    { clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1'], ipFamilies: ['IPv4', 'IPv6'] },
    { clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.2'] },
    { clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1', '10.96.0.2'] },
    { clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1'], ipFamilies: ['IPv6'] },
  ),
);

const SERVICE_PORTS: readonly RawServicePort[] = [
  { name: 'http', protocol: 'TCP', port: 80 },
  { name: 'http', port: 8080 },
  { port: 80 },
  { name: '', protocol: 'TCP', port: 53 },
  { name: 'dns', protocol: 'UDP', port: 53 },
  { name: 'dns-tcp', protocol: null, port: 53 },
  { name: 'http', protocol: 'UDP', port: 80 },
  { name: 'sctp', protocol: 'SCTP', port: 80 },
];
const WRONG_PORTS: readonly RawServicePort[] = [
  { name: 'wrong', port: 0 },
  { name: 'wrong', port: 65536 },
  { name: 'wrong', port: -1 },
  { name: 'wrong', port: 80.5 },
  { name: 'wrong', port: 1, nodePort: 70_000 },
  { name: 'wrong', port: 1, protocol: 'ICMP' },
  { name: 'Wrong', port: 1 },
];
const servicePorts: fc.Arbitrary<readonly RawServicePort[]> = fc
  .tuple(
    fc.array(
      fc.tuple(
        fc.constantFrom(...SERVICE_PORTS),
        fc.constantFrom(undefined, null, 0, 30080, 30080, 30081, 80),
      ),
      { minLength: 1, maxLength: 4 },
    ),
    rarely(),
    fc.constantFrom(...WRONG_PORTS),
  )
  .map(([ports, isWrong, wrong]) => {
    const all = withoutRepeatedPorts(ports.map(([port, nodePort]) => ({ ...port, nodePort })));
    return isWrong ? [...all, wrong] : all;
  });

/** An API server would refuse them: a number, a name or a nodePort twice in one protocol. */
function withoutRepeatedPorts(ports: readonly RawServicePort[]): RawServicePort[] {
  return ports.filter((port, i) => {
    const earlier = ports.slice(0, i).filter(({ protocol }) => {
      return (protocol ?? 'TCP') === (port.protocol ?? 'TCP');
    });
    return !earlier.some(
      (other) =>
        other.port === port.port ||
        (other.name ?? '') === (port.name ?? '') ||
        (port.nodePort && other.nodePort === port.nodePort),
    );
  });
}

const OUTSIDE_ADDRESSES = FAMILIES.flatMap((family) => {
  const { outside, node, services, stranger } = ADDRESSES[family];
  return [...outside, ...outside, ...node.slice(0, 1), ...services.slice(0, 1), ...stranger];
});
const WRONG_ADDRESSES = [
  '',
  'nonsense',
  '203.0.113',
  '203.000.113.001',
  '::ffff:203.0.113.1',
  '127.0.0.1',
  '0.0.0.0',
  '224.0.0.1',
  '169.254.1.1',
  '::',
  '::1',
  'fe80::1',
  5 as unknown as string,
  null as unknown as string,
  'ff02::1',
];
const outsideAddress = often(
  fc.constantFrom(...OUTSIDE_ADDRESSES),
  fc.constantFrom(...WRONG_ADDRESSES),
);
const ingress: fc.Arbitrary<RawIngress> = often(
  fc.record({
    ip: outsideAddress,
    ipMode: fc.constantFrom(undefined, null, 'VIP', 'VIP', 'Proxy'),
  }),
  fc.constantFrom<RawIngress>({ hostname: 'lb.example' }, { ip: null, hostname: 'lb.example' }),
);
const sourceRange = fc.constantFrom(
  ...['198.51.100.0/24', '10.244.0.0/16', '10.244.1.1/24', '10.0.0.11/32', '203.0.113.0/24'],
  ...['2001:db8:7::/48', 'fd00:244::/32', 'fd00:244:0:1::/64', 'fd00:10::11/128'],
  ...['0.0.0.0/0', '0.0.0.0/1', '128.0.0.0/1', '::/0'],
  ...[' 10.0.0.0/24\n', '010.244.001.000/24', 'nonsense', '10.0.0.0/33', '10.0.0.1', ''],
  ...[5, null].map((value) => value as unknown as string),
);

const policy = fc.constantFrom('Cluster', 'Local', 'Local', undefined, null, 'Nearby');
const affinity: fc.Arbitrary<Pick<Spec, 'sessionAffinity' | 'sessionAffinityConfig'>> = fc.record({
  sessionAffinity: fc.constantFrom('None', 'ClientIP', undefined, null),
  sessionAffinityConfig: fc.constantFrom(
    undefined,
    null,
    {},
    { clientIP: null },
    ...[undefined, null, 60, 1, 86_400, 86_401, 0, -1, 1.5].map((timeoutSeconds) => ({
      clientIP: { timeoutSeconds },
    })),
  ),
});

const service = fc
  .record({
    namespace: fc.constantFrom(...NAMESPACES),
    name: fc.constantFrom(...NAMES),
    creationTimestamp: fc.constantFrom(...AGES),
    labels: often(
      fc.constantFrom(undefined, null, { app: 'p' }),
      fc.constantFrom<Record<string, string>>(
        { 'service.kubernetes.io/service-proxy-name': 'other' },
        { 'service.kubernetes.io/service-proxy-name': '' },
        { 'service.kubernetes.io/headless': '' },
      ),
    ),
    type: fc.oneof(
      {
        weight: 15,
        arbitrary: fc.constantFrom('ClusterIP', 'NodePort', 'LoadBalancer', undefined),
      },
      { weight: 1, arbitrary: fc.constant('ExternalName') },
    ),
    clusterIPs,
    ports: servicePorts,
    externalIPs: maybe(fc.array(outsideAddress, { maxLength: 3 })),
    ingress: maybe(fc.array(ingress, { maxLength: 3 })),
    loadBalancerSourceRanges: maybe(fc.array(sourceRange, { maxLength: 3 })),
    externalTrafficPolicy: policy,
    internalTrafficPolicy: policy,
    affinity,
  })
  .map(
    ({ namespace, name, creationTimestamp, labels, clusterIPs, affinity, ingress, ...spec }) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace, name, creationTimestamp, labels },
      spec: { ...spec, ...clusterIPs, ...affinity },
      status: { loadBalancer: { ingress } },
    }),
  );

// --- EndpointSlices ---

const YES_NO = [undefined, null, true, false];
const conditions: fc.Arbitrary<RawEndpoint['conditions']> = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom({ ready: true }, {}, null, undefined) },
  { weight: 10, arbitrary: fc.constant({ ready: false, serving: true, terminating: true }) },
  {
    weight: 15,
    arbitrary: fc.record({
      ready: fc.constantFrom(...YES_NO),
      serving: fc.constantFrom(...YES_NO),
      terminating: fc.constantFrom(...YES_NO),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ ready: 'yes' as unknown as boolean }) },
);

function hintsOf(names: readonly string[]) {
  return often(
    fc.subarray([...names], { minLength: 1 }).map((some) => some.map((name) => ({ name }))),
    fc.constantFrom(undefined, null, []),
  );
}
const zoneHints = hintsOf(['zone-a', 'zone-b', 'zone-b']);
const nodeHints = hintsOf([OWN_NODE, 'node-2', 'node-3']);
/** A controller hints all endpoints of a slice, or none. */
const hintKinds: fc.Arbitrary<fc.Arbitrary<RawEndpoint['hints']>> = fc.constantFrom(
  fc.constantFrom(undefined, null, {}),
  fc.constantFrom(undefined, null, {}),
  fc.record({ forZones: zoneHints }),
  fc.record({ forZones: zoneHints, forNodes: nodeHints }),
  fc.record({ forNodes: nodeHints }),
);

const SLICE_PORTS: readonly RawEndpointPort[] = [
  { name: 'http', protocol: 'TCP', port: 8080 },
  { name: 'http', protocol: null, port: 9090 },
  { name: 'http', protocol: 'UDP', port: 8080 },
  { name: '', port: 8080 },
  { name: 'dns', protocol: 'UDP', port: 53 },
  { name: 'dns-tcp', protocol: 'TCP', port: 53 },
  { name: 'sctp', protocol: 'SCTP', port: 80 },
];
const WRONG_SLICE_PORTS: readonly RawEndpointPort[] = [
  { name: null, port: 1000 },
  { port: 1000 },
  { name: 'http', port: null },
  { name: 'http', port: 0 },
  { name: 'http' },
  { name: 'http', port: 65536 },
  { name: 'http', protocol: 'ICMP', port: 1000 },
];
const slicePorts: fc.Arbitrary<readonly RawEndpointPort[]> = fc
  .tuple(
    often(fc.constant(SLICE_PORTS), fc.subarray([...SLICE_PORTS])),
    rarely(),
    fc.constantFrom(...WRONG_SLICE_PORTS),
  )
  .map(([ports, isWrong, wrong]) => (isWrong ? [...ports, wrong] : ports));

function endpoint(family: 'IPv4' | 'IPv6', hints: fc.Arbitrary<RawEndpoint['hints']>) {
  const { pods, otherPods, node, stranger } = ADDRESSES[family];
  const sound = fc.constantFrom<[string, string | null | undefined]>(
    ...pods.map((ip): [string, string] => [ip, OWN_NODE]),
    ...otherPods.map((ip): [string, string] => [ip, 'node-2']),
    [node[0] ?? '', OWN_NODE],
    [stranger[0] ?? '', null],
    [stranger[0] ?? '', undefined],
  );
  const place = often(
    sound.map(([ip, nodeName]) => ({ addresses: [ip, '10.244.9.9'], nodeName })),
    fc.constantFrom<RawEndpoint>(
      { addresses: [] },
      { addresses: null, nodeName: OWN_NODE },
      { addresses: ['nonsense'], nodeName: OWN_NODE },
      { addresses: [ADDRESSES[family === 'IPv4' ? 'IPv6' : 'IPv4'].pods[0] ?? ''] },
    ),
  );
  return fc
    .record({ place, conditions, hints, zone: fc.constantFrom('zone-a', 'zone-b', undefined) })
    .map(({ place, ...rest }): RawEndpoint => ({ ...place, ...rest }));
}

/** @param serviceName in the label. @param families of its Service. */
function slice(
  namespace: string | null | undefined,
  serviceName: fc.Arbitrary<string | undefined>,
  families: readonly string[],
) {
  const addressType = often(
    fc.constantFrom(...families),
    fc.constantFrom('IPv4', 'IPv6', 'FQDN', 'IPv5'),
  );
  return fc
    .tuple(addressType, hintKinds)
    .chain(([addressType, hints]) =>
      fc.record({
        addressType: fc.constant(addressType),
        serviceName,
        isHeadless: rarely(),
        ports: maybe(slicePorts, 20),
        endpoints: maybe(
          fc.array(endpoint(addressType === 'IPv6' ? 'IPv6' : 'IPv4', hints), {
            maxLength: 4,
            size: 'max',
          }),
          20,
        ),
      }),
    )
    .map(({ serviceName, isHeadless, ...parts }) => ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        namespace,
        name: '',
        labels: {
          ...(serviceName === undefined ? {} : { 'kubernetes.io/service-name': serviceName }),
          ...(isHeadless ? { 'service.kubernetes.io/headless': '' } : {}),
        },
      },
      ...parts,
    }));
}

/** No to three slices that name the Service. */
function slicesOf({ metadata, spec }: RawService): fc.Arbitrary<readonly RawEndpointSlice[]> {
  const one = slice(metadata.namespace, fc.constant(metadata.name), spec.ipFamilies ?? FAMILIES);
  return often(fc.array(one, { minLength: 1, maxLength: 3, size: 'max' }), fc.constant([]));
}

const strays = fc.constantFrom(...NAMESPACES).chain((namespace) =>
  fc.array(slice(namespace, fc.constantFrom(undefined, '', 'nobody', 'p'), FAMILIES), {
    maxLength: 1,
  }),
);

// --- Nodes, ServiceCIDRs, clusters ---

function node(name: string, zones: readonly (string | undefined)[]): fc.Arbitrary<RawNode> {
  return fc.constantFrom(...zones).map((zone) => ({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: zone === undefined ? {} : { 'topology.kubernetes.io/zone': zone },
    },
  }));
}
const nodes = fc
  .tuple(
    node(OWN_NODE, ['zone-a', 'zone-a', 'zone-a', undefined, '']),
    node('node-2', ['zone-b']),
    usually(),
  )
  .map(([own, other, isKnown]) => (isKnown ? [other, own] : [other]));

const SERVICE_CIDRS = [
  ['10.96.0.0/16'],
  ['10.96.0.0/16', 'fd00:96::/112'],
  ['fd00:96::/112'],
  ['10.96.0.2/31'],
];
const serviceCIDRs: fc.Arbitrary<readonly RawServiceCidr[]> = fc
  .array(fc.constantFrom(...SERVICE_CIDRS), { maxLength: 2 })
  .map((lists) =>
    lists.map((cidrs, i) => ({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'ServiceCIDR',
      metadata: { name: `cidr-${i}` },
      spec: { cidrs },
    })),
  );

/** Each object has `apiVersion` and `kind`, as in a manifest. */
export const clusters: fc.Arbitrary<RawCluster> = fc
  .uniqueArray(service, {
    selector: ({ metadata }) => `${metadata.namespace}/${metadata.name}`,
    minLength: 1,
    maxLength: 5,
  })
  .chain((services) =>
    fc.record({
      services: fc.constant(services),
      endpointSlices: fc
        .tuple(strays, ...services.map(slicesOf))
        .map((lists) => withOneHintEach(lists.flat().map(named))),
      nodes,
      serviceCIDRs,
    }),
  );

function named(slice: RawEndpointSlice, i: number): RawEndpointSlice {
  return { ...slice, metadata: { ...slice.metadata, name: `slice-${i}` } };
}

/** Which of two duplicates counts is open unless one terminates, so that all of an address have the same hints. */
function withOneHintEach(slices: readonly RawEndpointSlice[]): RawEndpointSlice[] {
  const hints = new Map<string | undefined, RawEndpoint['hints']>();
  return slices.map((slice) => ({
    ...slice,
    endpoints: slice.endpoints?.map((endpoint) => {
      const ip = endpoint.addresses?.[0];
      if (!hints.has(ip)) hints.set(ip, endpoint.hints);
      return { ...endpoint, hints: hints.get(ip) };
    }),
  }));
}

/** How kube-proxy is started, and where. */
export const nodeDescriptions: fc.Arbitrary<NodeDescription> = fc
  .record({
    nodeIPs: fc.constantFrom(
      ['10.0.0.11', 'fd00:10::11'],
      ['10.0.0.11', '10.0.0.12', 'fd00:10::11'],
      ['10.0.0.11'],
      ['fd00:10::11'],
      ['10.0.0.13', 'fd00:10::13'],
    ),
    localAddresses: fc
      .subarray(
        FAMILIES.flatMap((family) => {
          const { outside, node, gateway } = ADDRESSES[family];
          return [...node.slice(1), ...gateway, ...outside.slice(0, 1)];
        }),
      )
      .map((more) => ['10.0.0.11', 'fd00:10::11', ...more]),
    clusterCIDRs: fc.constantFrom(
      ['10.244.0.0/16', 'fd00:244::/32'],
      ['10.244.0.0/16', 'fd00:244::/32'],
      ['10.244.1.0/24', 'fd00:244:0:1::/64'],
      ['10.244.0.0/16'],
      ['fd00:244::/32'],
      [],
    ),
    serviceCIDRs: fc.constantFrom(undefined, undefined, ...SERVICE_CIDRS),
    nodePortAddresses: fc.oneof(
      { weight: 3, arbitrary: fc.constant(undefined) },
      { weight: 1, arbitrary: fc.constant(['primary']) },
      {
        weight: 2,
        arbitrary: fc.uniqueArray(
          fc.constantFrom(
            ...['10.0.0.0/24', '10.0.0.12/32', '127.0.0.0/8', '203.0.113.0/24', '0.0.0.0/0'],
            ...['fd00:10::11/128', '2001:db8::/32', '::1/128', '::/0'],
          ),
          { minLength: 1, maxLength: 3 },
        ),
      },
    ),
    masqueradeAll: rarely(),
  })
  .map(({ serviceCIDRs, nodePortAddresses, ...rest }) => ({
    nodeName: OWN_NODE,
    ...rest,
    ...(serviceCIDRs ? { serviceCIDRs } : {}),
    ...(nodePortAddresses ? { nodePortAddresses } : {}),
  }));

// --- Shorthand ---

/** Mostly `usual`, now and then `odd`. */
function often<T, U>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<U>): fc.Arbitrary<T | U> {
  return fc.oneof({ weight: 12, arbitrary: usual }, { weight: 1, arbitrary: odd });
}

/** `weight` times as often as absent, and as null. */
function maybe<T>(arbitrary: fc.Arbitrary<T>, weight = 3): fc.Arbitrary<T | null | undefined> {
  return fc.oneof(
    { weight, arbitrary },
    { weight: 1, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constant(null) },
  );
}

function rarely(): fc.Arbitrary<boolean> {
  return fc.nat(11).map((n) => n === 11);
}

function usually(): fc.Arbitrary<boolean> {
  return fc.nat(4).map((n) => n !== 4);
}
