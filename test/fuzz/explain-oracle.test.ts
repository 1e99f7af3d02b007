// SPDX-License-Identifier: Apache-2.0
// `explain` agrees with the oracle, which knows nothing of it, about random connections in random clusters: on every
// field of the decision. `ORACLE_SEED=n` repeats a run.

import test from 'ava';
import fc from 'fast-check';
import { parseManifest } from '../../agent/cluster/manifest-file.ts';
import { parseKey } from '../../agent/cluster/object-metadata.ts';
import { watchedResources } from '../../agent/cluster/watched-resources.ts';
import { formatEndpoint } from '../../agent/model/address.ts';
import { ClusterState } from '../../agent/model/cluster-state.ts';
import { Explainer } from '../../agent/model/explain.ts';
import type { Explanation } from '../../agent/model/explanation.ts';
import { type NodeFacts, nodeFacts } from '../../agent/model/node-facts.ts';
import { DEFAULT_MASQUERADE_PORTS } from '../../agent/model/port-ranges.ts';
import { address, prefixes } from '../helpers/objects.ts';
import { decisionText } from '../oracle/decision-text.ts';
import { type Decision, decide } from '../oracle/oracle.ts';
import { type Case, casesWith, type Query } from '../oracle/random-queries.ts';
import type { NodeDescription, RawCluster } from '../oracle/raw-objects.ts';

const SEED = Number(process.env.ORACLE_SEED ?? Date.now() % 1_000_000);
const CLUSTERS = 1000;
const QUERIES = 100;

/** How objects come to the agent. */
interface Route {
  readonly by: 'watch' | 'manifests';
  readonly isReversed: boolean;
}

const routes: fc.Arbitrary<Route> = fc.record({
  by: fc.constantFrom('watch', 'manifests'),
  isReversed: fc.boolean(),
});

test('explain agrees with the oracle', (t) => {
  t.log(`ORACLE_SEED=${SEED}`);
  const property = fc.property(casesWith(QUERIES), routes, (drawn, route) => {
    return findDisagreement(drawn, route) === undefined;
  });
  const { counterexample } = fc.check(property, { numRuns: CLUSTERS, seed: SEED });
  if (!counterexample) return t.pass();
  const [drawn, route] = counterexample;
  const { cluster, node } = drawn;
  t.log(JSON.stringify({ cluster, node, route }, null, 1));
  return t.fail(findDisagreement(drawn, route));
});

/** @returns the first question that the two answer differently, and how. */
function findDisagreement({ cluster, node, queries }: Case, route: Route): string | undefined {
  const state = new ClusterState();
  if (route.by === 'watch') deliverWatched(state, cluster, node, route);
  else deliverManifest(state, cluster, node, route);
  const explainer = new Explainer(state, factsOf(node, state));
  const seen = route.by === 'watch' ? cluster : asAdmitted(cluster);
  for (const query of queries) {
    const expected = decisionText(decide(seen, node, query.from, query.to));
    const found = decisionText(decisionOf(explainer.explain(parsed(query))));
    if (found !== expected) return disagreement(query, found, expected);
  }
  return undefined;
}

function disagreement({ from, to }: Query, found: string, expected: string): string {
  const { protocol, address, port } = to;
  return `from ${from} to ${protocol} ${address} ${port}\nexplain: ${found}\noracle:  ${expected}`;
}

/** As the watches deliver them, kind after kind. */
function deliverWatched(
  state: ClusterState,
  cluster: RawCluster,
  { nodeName }: NodeDescription,
  { isReversed }: Route,
): void {
  for (const { kind, scope, parse } of watchedResources(nodeName)) {
    for (const json of objectsOf(cluster, isReversed).filter((json) => json.kind === kind)) {
      const identity = parseKey(json, scope);
      if ('key' in identity) parse(json)(state, identity.key);
    }
  }
}

function deliverManifest(
  state: ClusterState,
  cluster: RawCluster,
  { nodeName }: NodeDescription,
  { isReversed }: Route,
): void {
  const list = { apiVersion: 'v1', kind: 'List', items: objectsOf(cluster, isReversed) };
  const manifest = parseManifest(JSON.stringify(list), 'json');
  if ('unreadable' in manifest) throw new Error(manifest.unreadable);
  for (const { kind, key, deliver } of manifest.objects) {
    if (kind !== 'Node' || key === nodeName) deliver(state, key);
  }
}

/** Written as JSON and read again: what is undefined is gone. */
function objectsOf(cluster: RawCluster, isReversed: boolean): { readonly kind: string }[] {
  const objects = JSON.parse(JSON.stringify(Object.values(cluster).flat()));
  return isReversed ? objects.reverse() : objects;
}

/** The API server names a slice's unnamed port ''; manifests pass none, and are read as if they had. */
function asAdmitted(cluster: RawCluster): RawCluster {
  const endpointSlices = cluster.endpointSlices.map((slice) => ({
    ...slice,
    ports: slice.ports?.map((port) => ({ ...port, name: port.name ?? '' })),
  }));
  return { ...cluster, endpointSlices };
}

function factsOf(node: NodeDescription, state: ClusterState): NodeFacts {
  const rule = node.nodePortAddresses ?? [];
  const config = {
    ...node,
    masqueradePorts: DEFAULT_MASQUERADE_PORTS,
    nodeIPs: node.nodeIPs.map(address),
    clusterCIDRs: prefixes(...node.clusterCIDRs),
    serviceCIDRs: prefixes(...(node.serviceCIDRs ?? [])),
    nodePortAddresses: rule[0] === 'primary' ? ('primary' as const) : prefixes(...rule),
  };
  const localAddresses = node.localAddresses.map(address);
  return nodeFacts(config, state.node, state.serviceCidrs, localAddresses);
}

function parsed({ from, to }: Query) {
  return {
    from: from === 'host' || from === 'external' ? from : address(from),
    to: { ...to, address: address(to.address) },
  } as const;
}

function decisionOf(explanation: Explanation): Decision {
  const { origin, verdict, service, frontend, policy, affinityTimeoutSeconds } = explanation;
  return {
    origin,
    verdict,
    ...(service && { service }),
    ...(frontend && { kind: frontend.kind }),
    ...(policy && { policy }),
    backends: explanation.backends.map(({ backend }) =>
      formatEndpoint(backend.address, backend.port),
    ),
    snat: explanation.masquerade !== undefined,
    ...(affinityTimeoutSeconds && { affinityTimeoutSeconds }),
  };
}
