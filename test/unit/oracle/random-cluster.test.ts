// SPDX-License-Identifier: Apache-2.0
// Whether random clusters reach every rule often enough to be worth comparing: how often each outcome occurs among
// the oracle's answers about them. The seed is fixed: the shares are the generator's, not luck's.

import test from 'ava';
import fc from 'fast-check';
import { type Decision, decide } from '../../oracle/oracle.ts';
import { casesWith } from '../../oracle/random-queries.ts';

const CLUSTERS = 300;
const QUERIES = 100;
const ANSWERS = CLUSTERS * QUERIES;

/** Of 100,000 answers, how many at least have the trait. */
const LEAST = {
  'origin pod': 20_000,
  'origin host': 20_000,
  'origin external': 20_000,
  'verdict forward': 15_000,
  'verdict reject': 15_000,
  'verdict drop': 3_000,
  'verdict pass': 20_000,
  'a closed port of a clusterIP': 2_000,
  'an address that no Service has': 2_000,
  'a blocked source': 200,
  'one backend': 5_000,
  'two backends': 5_000,
  'more backends': 3_000,
  'IPv6 backends': 5_000,
  'clusterIP with SNAT': 2_000,
  'clusterIP without SNAT': 2_000,
  'hairpin or host, Local': 200,
  affinity: 5_000,
  'affinity for a time of its own': 1_000,
  ...everyPolicyOutcome(),
};

/** Each kind of address under each policy. */
function everyPolicyOutcome(): Record<string, number> {
  const kinds = ['clusterIP', 'externalIP', 'loadBalancer', 'nodePort'];
  const outcomes = [
    'forward Cluster',
    'forward Local',
    'reject Cluster',
    'reject Local',
    'drop Local',
  ];
  return Object.fromEntries(
    kinds.flatMap((kind) => outcomes.map((outcome) => [`${kind} ${outcome}`, 50])),
  );
}

function traitsOf(decision: Decision): (string | false)[] {
  const { origin, verdict, service, kind, policy, backends, snat } = decision;
  const timeout = decision.affinityTimeoutSeconds;
  const isForwarded = verdict === 'forward';
  return [
    `origin ${origin}`,
    `verdict ${verdict}`,
    kind !== undefined && `${kind} ${verdict} ${policy}`,
    service !== undefined && kind === undefined && 'a closed port of a clusterIP',
    service === undefined && verdict === 'drop' && 'an address that no Service has',
    kind === 'loadBalancer' && policy === 'Cluster' && verdict === 'drop' && 'a blocked source',
    isForwarded &&
      `${['no', 'one', 'two'][backends.length] ?? 'more'} backend${backends.length === 1 ? '' : 's'}`,
    backends.some((at) => at.startsWith('[')) && 'IPv6 backends',
    isForwarded && kind === 'clusterIP' && `clusterIP ${snat ? 'with' : 'without'} SNAT`,
    snat && kind !== 'clusterIP' && policy === 'Local' && 'hairpin or host, Local',
    timeout !== undefined && 'affinity',
    timeout !== undefined && timeout !== 10_800 && 'affinity for a time of its own',
  ];
}

test('every outcome is met often', (t) => {
  const counts = new Map<string, number>();
  const cases = fc.sample(casesWith(QUERIES), { numRuns: CLUSTERS, seed: 1 });
  for (const { cluster, node, queries } of cases) {
    for (const { from, to } of queries) {
      for (const trait of traitsOf(decide(cluster, node, from, to))) {
        if (trait) counts.set(trait, (counts.get(trait) ?? 0) + 1);
      }
    }
  }
  for (const [trait, least] of Object.entries(LEAST)) {
    const count = ((counts.get(trait) ?? 0) * 100_000) / ANSWERS;
    t.true(count >= least, `${trait}: ${count}, not ${least}`);
  }
});
