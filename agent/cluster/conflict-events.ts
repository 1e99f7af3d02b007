// SPDX-License-Identifier: Apache-2.0
// What to tell the users of Services that want a frontend which another Service has (semantics 1.6). Pure;
// the agent hands on to the event recorder what this returns after each pass.

import type { FrontendConflict } from '../model/frontend-claims.ts';
import type { ObjectKey } from '../model/objects.ts';
import type { FrontendKey } from '../model/service-port.ts';

export interface ConflictWarning {
  /** The one that is left out. Its owner's users have what they want and are told nothing. */
  readonly service: ObjectKey;
  readonly reason: 'FrontendConflict';
  readonly note: string;
}

interface Loss {
  readonly service: ObjectKey;
  readonly owner: ObjectKey;
  readonly frontends: FrontendKey[];
}

/** A note has room for more, but nobody reads more. */
const NAMED_FRONTENDS = 5;

/**
 * One warning for each pair of Services where the one has come to lose a frontend to the other. It names all that is
 * lost to that owner, also what was lost `before`, so that it depends on the present alone: every node finds the
 * same words, and so does an agent that starts anew.
 */
export function conflictEvents(
  before: readonly FrontendConflict[],
  after: readonly FrontendConflict[],
): ConflictWarning[] {
  const known = new Map(losses(before).map((loss) => [pairOf(loss), new Set(loss.frontends)]));
  return losses(after)
    .filter((loss) => loss.frontends.some((frontend) => !known.get(pairOf(loss))?.has(frontend)))
    .map((loss) => ({ service: loss.service, reason: 'FrontendConflict', note: noteOf(loss) }));
}

function losses(conflicts: readonly FrontendConflict[]): Loss[] {
  const byPair = new Map<string, Loss>();
  for (const { frontend, owner, others } of conflicts) {
    for (const service of others) {
      const loss: Loss = byPair.get(pairOf({ service, owner })) ?? {
        service,
        owner,
        frontends: [],
      };
      loss.frontends.push(frontend);
      byPair.set(pairOf(loss), loss);
    }
  }
  return [...byPair.values()];
}

function pairOf({ service, owner }: Pick<Loss, 'service' | 'owner'>): string {
  return `${service} ${owner}`;
}

function noteOf({ owner, frontends }: Loss): string {
  const named = frontends.toSorted().slice(0, NAMED_FRONTENDS).join(', ');
  const more = frontends.length - NAMED_FRONTENDS;
  return (
    `Service ${owner} is served at ${named}${more > 0 ? ` and ${more} more` : ''}, this one is not. ` +
    'An address and port goes to the Service that has it as its clusterIP, then to the oldest, ' +
    'then to the first by name. Give this Service another one.'
  );
}
