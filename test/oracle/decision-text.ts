// SPDX-License-Identifier: Apache-2.0
// A whole decision as one line, for the tables and the messages of tests.

import type { Decision, Destination } from './oracle.ts';
import type { Protocol } from './raw-objects.ts';

/** `pod: forward a/p nodePort Local -> 10.244.1.2:8080, snat, affinity 60 s`, of which only what is there. */
export function decisionText(decision: Decision): string {
  const { origin, verdict, service, kind, policy, backends, snat } = decision;
  const timeout = decision.affinityTimeoutSeconds;
  const facts = [verdict, service, kind, policy, backends.length > 0 && `-> ${backends.join(' ')}`];
  return [
    `${origin}: ${facts.filter(Boolean).join(' ')}`,
    ...(snat ? ['snat'] : []),
    ...(timeout === undefined ? [] : [`affinity ${timeout} s`]),
  ].join(', ');
}

/** `TCP 10.96.0.1:80`, `UDP [fd00::1]:53` */
export function parseDestination(text: string): Destination {
  const [, protocol, address, port] = text.match(/^(\w+) \[?([^\]]+?)\]?:(\d+)$/) ?? [];
  if (!protocol || !address) throw new Error(`${text} is not PROTOCOL ADDRESS:PORT`);
  return { protocol: protocol as Protocol, address, port: Number(port) };
}
