// SPDX-License-Identifier: Apache-2.0
// The Node that stands for a node of the lab in the API, as its kubelet and a cloud's controllers would
// have registered it. Pure.

import type { KubeObject } from './kube-object.ts';
import { type AddressPair, podCidrs } from './topology.ts';

export const ZONE_LABEL = 'topology.kubernetes.io/zone';

const LETTERS = 'abcdefghijklmnopqrstuvwxyz';

export interface NodeDescription {
  readonly name: string;
  /** From 1. */
  readonly index: number;
  readonly addresses: AddressPair;
  /** undefined: in no zone. */
  readonly zone: string | undefined;
}

/** A zone for each node: `zone-a` for the first, `zone-b` for the second; the 27th starts over. */
export function defaultZone(index: number): string {
  return `zone-${LETTERS[(index - 1) % LETTERS.length]}`;
}

export function nodeObject({ name, index, addresses, zone }: NodeDescription): KubeObject {
  const { ipv4, ipv6 } = addresses;
  const cidrs = podCidrs(index);
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: {
        'kubernetes.io/hostname': name,
        'kubernetes.io/os': 'linux',
        ...(zone !== undefined && { [ZONE_LABEL]: zone }),
      },
    },
    spec: { podCIDR: cidrs.ipv4, podCIDRs: [cidrs.ipv4, cidrs.ipv6] },
    status: {
      addresses: [
        { type: 'InternalIP', address: ipv4 },
        { type: 'InternalIP', address: ipv6 },
        { type: 'Hostname', address: name },
      ],
      conditions: [{ type: 'Ready', status: 'True', reason: 'LabReady' }],
    },
  };
}

/** `node` in another zone, or in none. */
export function inZone(node: KubeObject, zone: string | undefined): KubeObject {
  const { [ZONE_LABEL]: _, ...labels } = node.metadata.labels ?? {};
  const moved = zone === undefined ? labels : { ...labels, [ZONE_LABEL]: zone };
  return { ...node, metadata: { ...node.metadata, labels: moved } };
}
