// SPDX-License-Identifier: Apache-2.0
// Events exist under two API groups with other field names; the lab stores them once, with both.

import type { KubeObject } from '../kube-object.ts';

const SAME: readonly (readonly [core: string, grouped: string])[] = [
  ['message', 'note'],
  ['involvedObject', 'regarding'],
  ['reportingComponent', 'reportingController'],
  ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'],
  ['count', 'deprecatedCount'],
  ['source', 'deprecatedSource'],
];

/** `event` as a core/v1 Event that also has the names of events.k8s.io/v1. */
export function canonicalEvent(event: KubeObject): KubeObject {
  const both = SAME.flatMap(([core, grouped]) => {
    const value = event[core] ?? event[grouped];
    return value === undefined ? [] : [[core, value] as const, [grouped, value] as const];
  });
  return { ...event, ...Object.fromEntries(both), apiVersion: 'v1' };
}
