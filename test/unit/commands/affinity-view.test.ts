// SPDX-License-Identifier: Apache-2.0
// What `signalbox affinity` makes of the table's entries.

import test from 'ava';
import {
  AFFINITY_HEADS,
  affinityCells,
  affinityJson,
  listAffinities,
} from '../../../agent/commands/affinity-view.ts';
import { formatTable } from '../../../agent/commands/table.ts';
import type { ServicePort } from '../../../agent/model/service-port.ts';
import {
  type AffinityKey,
  type AffinityValue,
  type FrontendKey,
  FrontendKind,
  FrontendScope,
  type FrontendValue,
  MemberFlags,
} from '../../../agent/sys/layout.gen.ts';
import { ipPort } from '../../helpers/flows.ts';
import { address } from '../../helpers/objects.ts';

const SECOND = 1_000_000_000n;
const NOW = 1_000_000n * SECOND;
const NODE = 7n;

const NAMES: Readonly<Record<number, ServicePort>> = {
  1: { service: 'default/quote', portName: 'http', protocol: 'TCP' },
  2: { service: 'default/kiada', portName: '', protocol: 'TCP' },
};

/** @param timeout seconds; 0: no affinity. */
function frontend(servicePortId: number, timeout: number): [FrontendKey, FrontendValue] {
  const none = { first: 0, count: 0 };
  return [
    { address: address('10.96.0.1'), port: 80, protocol: 6, scope: FrontendScope.AT_ADDRESS },
    {
      servicePortId,
      kind: FrontendKind.CLUSTER_IP,
      flags: 0,
      affinityTimeoutSeconds: timeout,
      inside: none,
      outside: none,
    },
  ];
}

function affinity(
  client: { netnsCookie: bigint; source: string },
  servicePortId: number,
  backend: string,
  idle: number,
): [AffinityKey, AffinityValue] {
  return [
    { netnsCookie: client.netnsCookie, source: address(client.source), servicePortId },
    { backend: ipPort(backend), lastUsedNs: NOW - BigInt(idle) * SECOND },
  ];
}

const pod = { netnsCookie: 4711n, source: '0.0.0.0' };
const node = { netnsCookie: NODE, source: '::' };
const outside = { netnsCookie: 0n, source: '192.0.2.9' };

const MEMBERS: Readonly<Record<string, number>> = {
  '10.244.1.7': MemberFlags.IN_CLUSTER | MemberFlags.ON_NODE,
  'fd00::7': MemberFlags.IN_LOCAL,
  '10.244.1.8': MemberFlags.ON_NODE,
};

function list(...affinities: readonly [AffinityKey, AffinityValue][]) {
  return listAffinities({
    affinities,
    frontends: [frontend(1, 10_800), frontend(2, 0)],
    nodeCookie: NODE,
    nameOf: (id) => NAMES[id],
    memberOf: ({ backend }) => {
      const flags = MEMBERS[backend.address];
      return flags === undefined ? undefined : { flags };
    },
    nowNs: NOW,
  });
}

test('a line for each client, by Service', (t) => {
  const views = list(
    affinity(outside, 1, '10.244.1.7 8080', 60),
    affinity(pod, 1, '10.244.1.8 8080', 10_799),
    affinity(node, 1, 'fd00::7 8080', 10_801),
    affinity(outside, 2, '10.244.1.9 8080', 5),
    affinity(pod, 3, '10.244.1.9 8080', 5),
  );
  t.is(
    formatTable(AFFINITY_HEADS, views.map(affinityCells)),
    [
      'CLIENT           SERVICE PORT         BACKEND           SERVES   EXPIRES IN',
      '192.0.2.9        default/kiada        10.244.1.9:8080   no       - (no session affinity)',
      'this node        default/quote:http   [fd00::7]:8080    yes      over',
      'pod netns 4711   default/quote:http   10.244.1.8:8080   drains   1s',
      '192.0.2.9        default/quote:http   10.244.1.7:8080   yes      2h59m',
      'pod netns 4711   id 3                 10.244.1.9:8080   no       - (no session affinity)',
    ].join('\n'),
  );
});

test('the fields of an affinity', (t) => {
  const [ofNode, ofOutside] = list(
    affinity(outside, 1, '10.244.1.7 8080', 60),
    affinity(node, 1, 'fd00::7 8080', 0),
  ).map(affinityJson);
  t.deepEqual(ofOutside as unknown, {
    client: { address: '192.0.2.9' },
    service: 'default/quote',
    servicePort: 'http',
    servicePortId: 1,
    backend: { address: '10.244.1.7', port: 8080 },
    serves: 'yes',
    expiresInSeconds: 10_740,
  });
  t.like(ofNode, { client: { netnsCookie: '7', isNode: true } } as object);
});
