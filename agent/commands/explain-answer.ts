// SPDX-License-Identifier: Apache-2.0
// The answer to one query as it leaves the program: what `-o json` prints, a line each, and what the agent
// sends over its socket. Fields are an interface that others read: they may be added, never changed.

import type { IpAddress } from '../model/address.ts';
import type { Candidate, TopologyMode } from '../model/endpoint-selection.ts';
import { isLocal } from '../model/endpoint-selection.ts';
import {
  type DialledFrontend,
  type Explanation,
  isAddress,
  type Verdict,
} from '../model/explanation.ts';
import type { NodeFacts, Origin } from '../model/node-facts.ts';
import type { Balancing, TrafficPolicy } from '../model/objects.ts';
import { type SeenClient, seenClient } from '../model/seen-client.ts';
import type { Backend } from '../model/service-port.ts';
import { formatDestination } from './explain-query.ts';
import { exclusionPhrase, hints, reasonSentence } from './explain-words.ts';

export interface AnswerBackend {
  readonly address: IpAddress;
  readonly port: number;
  /** null: not known. */
  readonly node: string | null;
  readonly zone: string | null;
  readonly local: boolean;
  /** Its share, against those of the others. */
  readonly weight: number;
  /** What it sees as its client's address: the client's own, or one of this node. */
  readonly sees: SeenClient;
}

export interface Answer {
  readonly from: string;
  readonly origin: Origin;
  readonly to: string;
  readonly verdict: Verdict;
  /** namespace/name */
  readonly service: string | null;
  /** Name of the Service's port, '' for one without a name. */
  readonly servicePort: string | null;
  /** null for a closed port of a Service. */
  readonly frontend: DialledFrontend | null;
  readonly policy: TrafficPolicy | null;
  /** Not bound by externalTrafficPolicy Local. */
  readonly shortCircuit: boolean;
  readonly topology: TopologyMode;
  /** How a backend is picked, and from how many slots: of a Maglev table more than there are backends. */
  readonly balancing: { readonly type: Balancing; readonly slots: number } | null;
  /** Empty unless the verdict is forward. */
  readonly backends: readonly AnswerBackend[];
  readonly excluded: readonly {
    readonly address: IpAddress;
    readonly port: number;
    readonly reason: string;
  }[];
  /** Whether kube-proxy's rules put an address of the node in place of the client's; `sees` has what happens here. */
  readonly snat: boolean;
  readonly affinity: { readonly type: 'ClientIP'; readonly timeoutSeconds: number } | null;
  /** One sentence. */
  readonly reason: string;
  /** What decided, then what else is worth a look: words that programs can compare. */
  readonly codes: readonly string[];
  /** What to do next, a line each. */
  readonly hints: readonly string[];
  /** What the kernel's tables make of the same connection; absent when they were not looked at. */
  readonly kernel?: KernelAnswer;
}

/** What the kernel's tables make of a connection, against what should be. */
export interface KernelAnswer {
  readonly agrees: boolean;
  /**
   * Whether a program acts on such a connection: those on sockets do, on TCP and UDP of clients on this node, those on
   * devices on all that comes from outside. False: the tables hold the answer, and nobody reads it.
   */
  readonly hasProgram: boolean;
  /** What is otherwise in the kernel, a line each. */
  readonly differences: readonly string[];
  readonly verdict: Verdict;
  readonly service: string | null;
  readonly backends: readonly Backend[];
}

/** A line of a batch that is no query. */
export interface Refusal {
  readonly query: string;
  readonly error: string;
}

export function answerOf(explanation: Explanation, node: NodeFacts): Answer {
  const { query, frontend, affinityTimeoutSeconds, excluded } = explanation;
  return {
    from: query.from,
    origin: explanation.origin,
    to: formatDestination(query.to),
    verdict: explanation.verdict,
    service: explanation.service ?? null,
    servicePort: explanation.servicePort?.portName ?? null,
    frontend: frontend ? { kind: frontend.kind, ...query.to } : null,
    policy: explanation.policy ?? null,
    shortCircuit: explanation.isShortCircuit,
    topology: explanation.topology,
    balancing: explanation.balancing ?? null,
    backends: explanation.backends.map((backend) => backendOf(backend, explanation, node)),
    excluded: excluded.map((one) => ({
      ...one.candidate.backend,
      reason: exclusionPhrase(one, explanation, node),
    })),
    snat: explanation.masquerade !== undefined,
    affinity: affinityTimeoutSeconds
      ? { type: 'ClientIP', timeoutSeconds: affinityTimeoutSeconds }
      : null,
    reason: reasonSentence(explanation, node),
    codes: codesOf(explanation),
    hints: hints(explanation, node),
  };
}

function backendOf(
  candidate: Candidate,
  { query: { from }, origin }: Explanation,
  node: NodeFacts,
): AnswerBackend {
  const { backend, endpoint, weight } = candidate;
  return {
    address: backend.address,
    port: backend.port,
    node: endpoint.nodeName ?? null,
    zone: endpoint.zone ?? null,
    local: isLocal(candidate, node),
    weight,
    sees: seenClient(origin, isAddress(from) ? from : undefined, candidate, node),
  };
}

function codesOf(explanation: Explanation): string[] {
  const { cause, isShortCircuit, isLastResort, topology, masquerade, notes } = explanation;
  return [
    cause,
    ...(isShortCircuit ? ['short-circuit'] : []),
    ...(isLastResort ? ['last-resort'] : []),
    ...(topology === 'none' ? [] : [`${topology}-hints`]),
    ...(masquerade ? [`snat-${masquerade}`] : []),
    ...new Set(notes.map(({ code }) => code)),
  ];
}
