// SPDX-License-Identifier: Apache-2.0
// Tells the users of a Service that it does not get a frontend, once for each time that this comes about.

import { conflictEvents } from '../cluster/conflict-events.ts';
import type { EventRecorder } from '../cluster/event-recorder.ts';
import type { ClusterState } from '../model/cluster-state.ts';
import type { FrontendConflict } from '../model/frontend-claims.ts';

export class ConflictTeller {
  readonly #cluster: ClusterState;
  readonly #recorder: EventRecorder | undefined;
  #known: readonly FrontendConflict[] = [];

  /** @param recorder undefined where there is nobody to tell. */
  constructor(cluster: ClusterState, recorder: EventRecorder | undefined) {
    this.#cluster = cluster;
    this.#recorder = recorder;
  }

  /** @param conflicts all that there are now. */
  tell(conflicts: readonly FrontendConflict[]): void {
    for (const { service, reason, note } of conflictEvents(this.#known, conflicts)) {
      const spec = this.#cluster.service(service);
      if (spec) this.#recorder?.warn(spec, reason, note);
    }
    this.#known = conflicts;
  }
}
