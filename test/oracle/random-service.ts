// SPDX-License-Identifier: Apache-2.0
// Random Services as raw JSON: each field of semantics 1.3 in all its values, and absent, null and wrong ones
// now and then.

import fc from 'fast-check';
import { ADDRESSES, FAMILIES, NAMES, NAMESPACES } from './places.ts';
import type { RawIngress, RawService, RawServicePort } from './raw-objects.ts';
import { maybe, often, rarely, usually } from './seldom.ts';

const AGES = [undefined, null, '2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z'];

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

export const service = fc
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
