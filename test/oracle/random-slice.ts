// SPDX-License-Identifier: Apache-2.0
// Random EndpointSlices as raw JSON: each field of semantics 1.4 and 1.5 in all its values, and absent, null and
// wrong ones now and then. They still want a name.

import fc from 'fast-check';
import { ADDRESSES, FAMILIES, NAMESPACES, OWN_NODE } from './places.ts';
import type { RawEndpoint, RawEndpointPort, RawEndpointSlice, RawService } from './raw-objects.ts';
import { maybe, often, rarely } from './seldom.ts';

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

/** Up to three slices that name the Service. */
export function slicesOf({
  metadata,
  spec,
}: RawService): fc.Arbitrary<readonly RawEndpointSlice[]> {
  const one = slice(metadata.namespace, fc.constant(metadata.name), spec.ipFamilies ?? FAMILIES);
  return often(fc.array(one, { minLength: 1, maxLength: 3, size: 'max' }), fc.constant([]));
}

/** Slices that name no Service, or one that may not be there. */
export const strays = fc.constantFrom(...NAMESPACES).chain((namespace) =>
  fc.array(slice(namespace, fc.constantFrom(undefined, '', 'nobody', 'p'), FAMILIES), {
    maxLength: 1,
  }),
);
