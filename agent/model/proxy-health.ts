// SPDX-License-Identifier: Apache-2.0
// Whether the agent keeps up with the cluster, and whether its node is to get traffic from load balancers (semantics
// 1.12). Pure: whoever calls brings the time. Asked by the health servers.
//
// Invariant: a change is pending from the moment it is heard of until a pass that took it up has ended. What was
// refused for one Service is no longer pending, it is told by other ways: load balancers must not leave a node for the
// sake of one Service that it cannot have.

import type { NodeSpec } from './objects.ts';

export interface ProxyHealthReport {
  /** No change waits longer than it may. */
  readonly isHealthy: boolean;
  /** When a pass last ended well; undefined before the first one, which is no reason to be unhealthy. */
  readonly updatedAt: Date | undefined;
}

/** Times are milliseconds of a clock that never goes back. */
export class ProxyHealth {
  readonly #limitMs: number;
  /** When the oldest change came that no pass has taken up. */
  #waitingSince: number | undefined;
  /** When the oldest change came that a pass has taken up and not done with. */
  #takenSince: number | undefined;
  #updatedAt: Date | undefined;

  /** @param limitMs how long a change may be pending. */
  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** Something has changed that must be programmed. */
  queued(nowMs: number): void {
    this.#waitingSince ??= nowMs;
  }

  /** A pass takes up all that has changed by now. */
  begun(): void {
    this.#takenSince ??= this.#waitingSince;
    this.#waitingSince = undefined;
  }

  /**
   * The pass has ended.
   *
   * @param isProgrammed false when it came to nothing: then what it took up goes on being pending.
   */
  ended(at: Date, isProgrammed: boolean): void {
    if (!isProgrammed) return;
    this.#takenSince = undefined;
    this.#updatedAt = at;
  }

  report(nowMs: number): ProxyHealthReport {
    const since = this.#takenSince ?? this.#waitingSince;
    const isLate = since !== undefined && nowMs - since >= this.#limitMs;
    return {
      isHealthy: this.#updatedAt === undefined || !isLate,
      updatedAt: this.#updatedAt,
    };
  }
}

/**
 * Whether a pass programmed anything, by what stands after it. Where every Service of the cluster is refused, the node
 * can follow nothing any more; where only some are, it serves the others as well as any.
 */
export function isProgrammed(failedServices: number, services: number): boolean {
  return failedServices === 0 || failedServices < services;
}

/**
 * Whether load balancers may send traffic to the node.
 *
 * @param node its Node object.
 * @param isToldOf whether the API server has told which Nodes there are: without a word from it, after a start or
 *   without permission or cluster, there is no reason to send traffic away.
 */
export function isNodeEligible(node: NodeSpec | undefined, isToldOf: boolean): boolean {
  return node ? !node.isBeingDeleted : !isToldOf;
}
