// SPDX-License-Identifier: Apache-2.0
// What the rows of this folder share: a node for all tests of a file, each row in both families, and the
// Service that most of them are about.

import type { ExecutionContext, TestFn } from 'ava';
import type { EndpointSliceSpec, ServiceSpec } from '../../agent/model/objects.ts';
import { service, slice } from '../helpers/objects.ts';
import { requireProgram, requireRoot } from '../helpers/requirements.ts';
import { NODE_NAME, PacketNode } from './packet-node.ts';
import { FAMILIES, Packets, type Place } from './places.ts';

type Row = (t: ExecutionContext, node: PacketNode, packets: Packets) => void | Promise<void>;

/** One node for all tests of a file, which run one after another. @returns declares a row, for both families. */
export function rowsOf(test: TestFn): (title: string, row: Row) => void {
  let node: PacketNode | undefined;
  const ends: (() => unknown)[] = [];
  test.before(async (t) => {
    if (canRun(t)) node = await PacketNode.create({ teardown: (end) => void ends.push(end) });
  });
  test.after.always(async () => {
    for (const end of ends.reverse()) await end();
  });
  return (title, row) => {
    for (const family of FAMILIES) {
      test.serial(`${family}: ${title}`, async (t) => {
        if (!canRun(t) || !node) return;
        await node.reset();
        await row(t, node, new Packets(family));
      });
    }
  };
}

/** @returns whether the test may go on. */
export function canRun(t: ExecutionContext): boolean {
  return requireRoot(t) && requireProgram(t, 'ip');
}

/** Ports of {@link web} that are dialled, by where; the same for TCP and UDP. */
export const DIALLED = ['clusterIP:80', 'external:80', 'loadBalancer:80', 'node:30080'] as const;

/** Behind all of {@link DIALLED}. */
export const TARGET_PORT = 8080;

/**
 * `default/web`: port 80 for TCP and UDP, nodePort 30080, target 8080; for SCTP port 9000, nodePort 30900,
 * target 9000. All its kinds of addresses are there.
 *
 * @param endpoints of the pods; conditions may stand behind: `localPod terminating serving`.
 */
export function web(
  { at }: Packets,
  endpoints: readonly `${Place}${string}`[],
  more: Partial<ServiceSpec> = {},
): [ServiceSpec, EndpointSliceSpec] {
  return named('default/web', [at('clusterIP')], at, endpoints, {
    externalIPs: [at('external')],
    loadBalancerIPs: [at('loadBalancer')],
    ...more,
  });
}

/** A second Service, with a clusterIP alone, on the same pods. */
export function other(
  { at }: Packets,
  endpoints: readonly `${Place}${string}`[],
  more: Partial<ServiceSpec> = {},
): [ServiceSpec, EndpointSliceSpec] {
  const [spec, endpointSlice] = named('default/other', [at('otherClusterIP')], at, endpoints, more);
  return [{ ...spec, ports: spec.ports.map((port) => ({ ...port, nodePort: 0 })) }, endpointSlice];
}

function named(
  key: `${string}/${string}`,
  clusterIPs: readonly string[],
  at: Packets['at'],
  endpoints: readonly string[],
  more: Partial<ServiceSpec>,
): [ServiceSpec, EndpointSliceSpec] {
  const [, name] = key.split('/');
  const ports = ['http/TCP:80 30080', 'quic/UDP:80 30080', 'assoc/SCTP:9000 30900'] as const;
  const targets = ['http/TCP:8080', 'quic/UDP:8080', 'assoc/SCTP:9000'] as const;
  const places = endpoints.map((text) => {
    const [place = '', ...conditions] = text.split(' ');
    const where = /local/i.test(place) ? NODE_NAME : 'other';
    return [at(place as Place), `on:${where}`, ...conditions].join(' ');
  });
  return [
    service(key, clusterIPs, ports, undefined, more),
    slice(`${key}-1`, name ?? '', targets, places),
  ];
}
