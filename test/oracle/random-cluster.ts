// SPDX-License-Identifier: Apache-2.0
// Random clusters and nodes for properties: raw Kubernetes objects in which everything meets everything. What no rule
// decides is not made: duplicates differ only where one must win.

import fc from 'fast-check';
import { ADDRESSES, FAMILIES, OWN_NODE } from './places.ts';
import { service } from './random-service.ts';
import { slicesOf, strays } from './random-slice.ts';
import type {
  NodeDescription,
  RawCluster,
  RawEndpoint,
  RawEndpointSlice,
  RawNode,
  RawServiceCidr,
} from './raw-objects.ts';
import { rarely, usually } from './seldom.ts';

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
