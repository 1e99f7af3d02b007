// SPDX-License-Identifier: Apache-2.0
// What the tables are to say of a state of the cluster, worked out at once and without any kernel: what is resolved of
// it goes into tables of its own. Used by the simulation, which compares the agent's with them between any two writes.

import {
  familyOf,
  type IpFamily,
  prefixOf,
  unspecifiedAddress,
} from '../../agent/model/address.ts';
import type { ClusterState } from '../../agent/model/cluster-state.ts';
import { FrontendClaims } from '../../agent/model/frontend-claims.ts';
import type { EndpointSliceSpec, ObjectKey, ServiceSpec } from '../../agent/model/objects.ts';
import { claimsOf, type ResolvedServicePort, resolve } from '../../agent/model/resolve.ts';
import { frontendKey } from '../../agent/model/service-port.ts';
import { ActualTables } from '../../agent/plan/actual-tables.ts';
import { plan, type Steps } from '../../agent/plan/plan.ts';
import { SlotAllocator } from '../../agent/plan/slot-allocator.ts';
import {
  frontendEntryKey,
  frontendEntryValue,
  PRESENT,
  servicePortName,
  sourceRangeKey,
} from '../../agent/reconcile/entries.ts';
import type { NodeState } from '../../agent/reconcile/node-tables.ts';
import type { NodeView } from '../../agent/reconcile/reconciler.ts';
import type { IpPort } from '../../agent/sys/layout.gen.ts';
import type { View } from '../helpers/table-view.ts';

/** All that tables are made of, as it was at one moment. */
export interface KnownState {
  readonly services: ReadonlyMap<ObjectKey, Known>;
  readonly node: NodeView;
}

interface Known {
  readonly service: ServiceSpec;
  readonly slices: readonly EndpointSliceSpec[];
}

const MORE_THAN_NEEDED = 1_000_000;

/** What `cluster` says now: objects never change, so none is copied. */
export function stateOf(cluster: ClusterState, node: NodeView): KnownState {
  const services = new Map<ObjectKey, Known>();
  for (const key of cluster.services()) {
    const service = cluster.service(key);
    if (service) services.set(key, { service, slices: [...cluster.endpointSlices(key)] });
  }
  return { services, node };
}

/** The tables of Services. */
export function expectedTables({ services, node }: KnownState): View {
  const claims = new FrontendClaims();
  for (const [key, { service }] of services) {
    claims.update(key, service.creationTimestamp, claimsOf(service));
  }
  const desired = new Map<ObjectKey, ResolvedServicePort[]>();
  for (const [key, { service, slices }] of services) {
    const own = resolve(service, slices, node.traits).map((port) => ({
      ...port,
      frontends: port.frontends.filter(
        ({ frontend }) => claims.owner(frontendKey(frontend)) === key,
      ),
    }));
    desired.set(key, own);
  }
  const slots = new SlotAllocator(MORE_THAN_NEEDED);
  return viewOf(plan(desired, new ActualTables(), slots).steps);
}

/** The small tables that say what the node is, a row for each entry. */
export function expectedNodeRows({ node: { state } }: KnownState): Map<string, string> {
  return state ? nodeRows(state) : new Map();
}

function nodeRows(state: NodeState): Map<string, string> {
  const first = (family: IpFamily) =>
    state.nodeIPs.find((address) => familyOf(address) === family) ?? unspecifiedAddress(family);
  return new Map([
    ['node', `${first('IPv4')} ${first('IPv6')} ${state.servesLoopbackNodePorts}`],
    ...state.nodePortAddresses.map((address) => [`nodePorts ${address}`, 'served'] as const),
    ...state.serviceCIDRs.map((cidr) => [`serviceCIDR ${cidr}`, 'ours'] as const),
    ...state.foreignAddresses.map(
      (address) => [`serviceCIDR ${prefixOf(address)}`, 'left alone'] as const,
    ),
    ...state.clusterCIDRs.map((cidr) => [`clusterCIDR ${cidr}`, 'there'] as const),
  ]);
}

function viewOf(steps: Steps): View {
  const slots: IpPort[] = [];
  for (const { run, backends } of steps.writeRun) {
    backends.forEach((backend, i) => {
      slots[run.first + i] = backend;
    });
  }
  const frontends = steps.publishFrontend.map(
    (step): ReturnType<View['frontends']['entries']>[number] => [
      frontendEntryKey(step.frontend),
      frontendEntryValue(step),
    ],
  );
  const members = steps.widenMember.map(
    ({ servicePortId, backend, flags }): ReturnType<View['members']['entries']>[number] => [
      { servicePortId, backend },
      { flags },
    ],
  );
  const ranges = steps.addSourceRange.map(
    ({ servicePortId, range }): ReturnType<View['sourceRanges']['entries']>[number] => [
      sourceRangeKey(servicePortId, range),
      PRESENT,
    ],
  );
  const names = steps.nameServicePort.map(
    ({ id, servicePort }): ReturnType<View['servicePorts']['entries']>[number] => [
      id,
      servicePortName(servicePort),
    ],
  );
  return {
    frontends: { entries: () => frontends },
    members: { entries: () => members },
    sourceRanges: { entries: () => ranges },
    servicePorts: { entries: () => names },
    slots: { read: () => slots },
  };
}
