// SPDX-License-Identifier: Apache-2.0
// Tells the users of a Service, by an Event on it, that it could not be programmed: once for each cause. Built by
// agent-tellers.ts. There may be thousands at once: some are told now, the others when they are tried again.

import type { EventRecorder } from '../cluster/event-recorder.ts';
import { TokenBucket } from '../cluster/token-bucket.ts';
import type { ClusterState } from '../model/cluster-state.ts';
import type { ObjectKey } from '../model/objects.ts';
import type { PassReport } from '../reconcile/observer.ts';
import type { TableFill } from '../telemetry/metrics.ts';
import { failureText } from './failure-text.ts';

/** Less than the recorder lets through: others have something to tell, too. */
const LIMIT = { burst: 10, refillMs: 30_000 };

export interface FailureTellerOptions {
  readonly nodeName: string;
  readonly tables: () => readonly TableFill[];
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

export class FailureTeller {
  readonly #cluster: ClusterState;
  readonly #recorder: Pick<EventRecorder, 'warn'> | undefined;
  readonly #options: FailureTellerOptions;
  readonly #bucket = new TokenBucket(LIMIT);
  /** Services that fail, with what was told of them. */
  readonly #told = new Map<ObjectKey, string>();

  /** @param recorder undefined where there is nobody to tell. */
  constructor(
    cluster: ClusterState,
    recorder: Pick<EventRecorder, 'warn'> | undefined,
    options: FailureTellerOptions,
  ) {
    this.#cluster = cluster;
    this.#recorder = recorder;
    this.#options = options;
  }

  passed({ changed, failures }: Pick<PassReport, 'changed' | 'failures'>): void {
    if (this.#told.size) {
      const failed = new Set(failures.map(({ service }) => service));
      for (const service of changed) if (!failed.has(service)) this.#told.delete(service);
    }
    if (!failures.length || !this.#recorder) return;
    const { nodeName, tables, now = () => performance.now() } = this.#options;
    const fill = tables();
    for (const failure of failures) {
      const spec = this.#cluster.service(failure.service);
      const text = failureText(failure, fill);
      if (!spec || this.#told.get(failure.service) === text) continue;
      if (!this.#bucket.take(now())) return;
      this.#told.set(failure.service, text);
      // What is so on every node is told in the same words by all: then there is one Event.
      const where = failure.full === undefined ? ` on node ${nodeName}` : '';
      this.#recorder.warn(
        spec,
        'FailedToProgram',
        `The Service, or its last change, is not in force${where}: ${text}. What was in force before goes on; it is tried again.`,
      );
    }
  }
}
