// SPDX-License-Identifier: Apache-2.0
// Another process, this one, writes to the tables of an agent at work: adds, removes and changes entries in each of them.
// The next audit mends it and counts it; whoever connects to a Service that was left alone notices nothing.

import test from 'ava';
import type { IpAddress } from '../../agent/model/address.ts';
import { PRESENT, prefixKey, sourceRangeKey } from '../../agent/reconcile/entries.ts';
import { openTables, type Tables } from '../../agent/sys/datapath.ts';
import {
  type FrontendKey,
  FrontendKind,
  FrontendScope,
  type FrontendValue,
  MemberFlags,
  NodeFlags,
} from '../../agent/sys/layout.gen.ts';
import { Pins } from '../../agent/sys/pins.ts';
import { faultTest } from '../faults/fault-test.ts';
import { backend as parseBackend, prefix } from '../helpers/objects.ts';
import { frontendRows, leftOvers, lookAt } from '../helpers/table-view.ts';
import { until } from '../lab/until.ts';
import { DisturbedClients, type DisturbedTarget } from './disturbed-clients.ts';
import { bothProtocols, kubeService, targetAt } from './kube-service.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { METRICS, repairsOf } from './repairs.ts';
import { SocketProbe } from './socket-probe.ts';
import { startBackends } from './start-backends.ts';

const WEB = '10.96.0.1';
const WEB_BACKEND = '10.244.1.1';
const VICTIM = 'victim';
const WITHIN_MS = 60_000;
const RANGE = prefix('198.51.100.0/24');

const TARGETS: readonly DisturbedTarget[] = (['tcp', 'udp', 'sendto'] as const).map((kind) => ({
  kind,
  address: WEB,
  port: 80,
  lands: targetAt(WEB_BACKEND),
}));

let probe: SocketProbe;
let keeper: SocketProbe;

const node = nodeForFile(test, async (made) => {
  await startBackends(made);
  probe = await SocketProbe.start(made);
  keeper = await SocketProbe.start(made);
  made.agent.flags = [
    ...METRICS,
    ...['--service-cidr', '10.96.0.0/16', '--config-sync-period', '100ms'],
  ];
  made.write('web', kubeService('web', [WEB], bothProtocols(80, [WEB_BACKEND])));
  made.write(
    VICTIM,
    kubeService(VICTIM, ['10.96.0.77'], bothProtocols(80, ['10.244.77.1', '10.244.77.2']), {
      spec: {
        type: 'LoadBalancer',
        sessionAffinity: 'ClientIP',
        loadBalancerSourceRanges: ['198.51.100.0/24'],
      },
      ingress: ['203.0.113.77'],
    }),
  );
  await made.agent.start();
});

/** What somebody does to the tables. Of Services only the victim's entries. */
interface Hand {
  readonly name: string;
  readonly on: (tables: Tables) => void;
}

const HANDS: readonly Hand[] = [
  {
    name: 'a frontend added',
    on: (tables) => {
      const [, value] = victimFrontend(tables);
      tables.frontends.put([[OTHER, value]]);
    },
  },
  {
    name: 'a frontend added that nobody owns',
    on: (tables) => tables.frontends.put([[OTHER, { ...victimFrontend(tables)[1], ...NOBODY }]]),
  },
  {
    name: 'a frontend removed',
    on: (tables) => tables.frontends.delete([victimFrontend(tables)[0]]),
  },
  {
    name: 'a frontend changed',
    on: (tables) => {
      const [key, value] = victimFrontend(tables);
      tables.frontends.put([[key, { ...value, affinityTimeoutSeconds: 7, inside: NO_RUN }]]);
    },
  },
  {
    name: 'a slot changed',
    on: (tables) => {
      const [, { inside }] = victimFrontend(tables);
      tables.slots.write([[inside.first, parseBackend('192.0.2.9:1')]]);
    },
  },
  {
    name: 'a member added',
    on: (tables) => {
      const servicePortId = victimId(tables);
      const key = { servicePortId, backend: parseBackend('192.0.2.9:1') };
      tables.members.put([[key, { flags: MemberFlags.IN_CLUSTER }]]);
    },
  },
  {
    name: 'a member removed',
    on: (tables) => tables.members.delete([victimMember(tables)]),
  },
  {
    name: 'a member changed',
    on: (tables) => tables.members.put([[victimMember(tables), { flags: 0 }]]),
  },
  {
    name: 'a source range added',
    on: (tables) =>
      tables.sourceRanges.put([[sourceRangeKey(victimId(tables), prefix('0.0.0.0/0')), PRESENT]]),
  },
  {
    name: 'a source range removed',
    on: (tables) => tables.sourceRanges.delete([sourceRangeKey(victimId(tables), RANGE)]),
  },
  {
    name: 'a name added',
    on: (tables) => {
      const [[, name] = []] = tables.servicePorts.entries();
      if (name) tables.servicePorts.put([[NOBODY.servicePortId, { ...name, portName: 'more' }]]);
    },
  },
  {
    name: 'a name removed',
    on: (tables) => tables.servicePorts.delete([victimId(tables)]),
  },
  {
    name: 'a name changed',
    on: (tables) => {
      const id = victimId(tables);
      const name = tables.servicePorts.get(id);
      if (name) tables.servicePorts.put([[id, { ...name, serviceName: 'gone' }]]);
    },
  },
  {
    name: 'the node changed',
    on: (tables) => {
      const now = tables.nodes.get(0);
      if (now)
        tables.nodes.put([[0, { ...now, flags: now.flags ^ NodeFlags.LOOPBACK_NODE_PORTS }]]);
    },
  },
  {
    name: 'an address of nodePorts added',
    on: (tables) =>
      tables.nodePortAddresses.put([[{ address: '192.0.2.9' as IpAddress }, PRESENT]]),
  },
  {
    name: 'an address of nodePorts removed',
    on: (tables) =>
      tables.nodePortAddresses.delete(tables.nodePortAddresses.entries().map(([key]) => key)),
  },
  {
    name: 'a ServiceCIDR added',
    on: (tables) => tables.serviceCidrs.put([[prefixKey(prefix('192.0.2.0/24')), PRESENT]]),
  },
  {
    name: 'a ServiceCIDR removed',
    on: (tables) => tables.serviceCidrs.delete(tables.serviceCidrs.entries().map(([key]) => key)),
  },
  {
    name: 'a ServiceCIDR changed',
    on: (tables) => {
      const [[key] = []] = tables.serviceCidrs.entries();
      if (key) tables.serviceCidrs.put([[key, { present: 0 }]]);
    },
  },
  {
    name: 'a CIDR of pods added',
    on: (tables) => tables.clusterCidrs.put([[prefixKey(prefix('192.0.2.0/24')), PRESENT]]),
  },
];

const OTHER: FrontendKey = {
  address: '192.0.2.1' as IpAddress,
  port: 80,
  protocol: 6,
  scope: FrontendScope.AT_ADDRESS,
};
/** An id that no service port has. */
const NOBODY = { servicePortId: 4_000_000 } as const;
const NO_RUN = { first: 0, count: 0 } as const;

function victimId({ servicePorts }: Tables): number {
  const [[id] = []] = servicePorts
    .entries()
    .filter(([, { serviceName, protocol }]) => serviceName === VICTIM && protocol === 6);
  if (id === undefined) throw new Error('the victim has no name');
  return id;
}

function victimFrontend(tables: Tables): [FrontendKey, FrontendValue] {
  const id = victimId(tables);
  const found = tables.frontends
    .entries()
    .find(([, value]) => value.servicePortId === id && value.kind === FrontendKind.CLUSTER_IP);
  if (!found) throw new Error('the victim has no clusterIP');
  return found;
}

function victimMember(tables: Tables) {
  const id = victimId(tables);
  const found = tables.members.entries().find(([{ servicePortId }]) => servicePortId === id);
  if (!found) throw new Error('the victim has no member');
  return found[0];
}

/** All that may be compared: what is dialled, what is there besides, and what is known of the node. */
function stateOf(tables: Tables): string {
  const view = lookAt(tables);
  const { nodes, nodePortAddresses, serviceCidrs, clusterCidrs } = tables;
  const sets = [nodePortAddresses, serviceCidrs, clusterCidrs].map((table) =>
    [...table.entries()].map((entry) => JSON.stringify(entry)).sort(),
  );
  const [, { netnsCookie, ...ofNode }] = nodes.entries()[0] ?? [0, { netnsCookie: 0n }];
  const rows = [...frontendRows(view)].sort();
  const names = new Map(view.servicePorts.entries());
  const members = view.members
    .entries()
    .map(([{ servicePortId, backend }, { flags }]) => {
      const { serviceName, portName } = names.get(servicePortId) ?? {};
      return `${serviceName} ${portName} ${JSON.stringify(backend)} ${flags}`;
    })
    .sort();
  const told = [rows, members, leftOvers(view), sets, String(netnsCookie), ofNode];
  return JSON.stringify(told);
}

/** By the agent's own words. */
function repairsTold(): number {
  return node().agent.log.reduce(
    (sum, { msg, repairs }) =>
      msg === 'tables had been changed by something else' ? sum + Number(repairs) : sum,
    0,
  );
}

faultTest(test, 'drift', async (t, report) => {
  if (!canMakeNodes(t)) return;
  const tables = openTables(new Pins(node().bpffs));
  t.teardown(() => tables.close());
  const before = stateOf(tables);
  const clients = new DisturbedClients();
  await clients.add(probe, keeper, TARGETS);
  let repairMs = 0;
  for (const { name, on } of HANDS) {
    const told = repairsTold();
    on(tables);
    const sinceMs = performance.now();
    await until(`${name}: mended`, () => stateOf(tables) === before, WITHIN_MS);
    repairMs = Math.max(repairMs, Math.round(performance.now() - sinceMs));
    await until(`${name}: told`, () => repairsTold() > told, WITHIN_MS);
  }
  const { failures, ...figures } = await clients.end();
  report({ injections: HANDS.length, ...figures, repairMs, note: 'audited every 100 ms' });
  t.deepEqual(failures, []);
  t.true(figures.attempts > 0);
  t.is(await repairsOf(node(), 'tables'), repairsTold());
});
