// SPDX-License-Identifier: Apache-2.0
// Where the watched objects come from: the API server or a folder of manifests. commands/agent-inputs.ts chooses
// one; the rest of the agent sees only this interface and the ObjectSink.

import type { ObjectSink, SkippedObject } from '../model/cluster-state.ts';

export interface ObjectSource {
  /** For people: `API server https://192.0.2.1:6443` or `manifests in /etc/signalbox`. */
  readonly description: string;
  /** What goes on now, one entry per watch; read anew at every use. */
  readonly watches: readonly WatchState[];
  /**
   * Delivers the present state and then every change into `sink`, until `signal` aborts; nothing is
   * delivered after that. Called once. Failures are retried for ever and shown in `watches`.
   */
  start(sink: ObjectSink, signal: AbortSignal): void;
}

/** How one watch is doing: shown by `status`, exported as metrics. */
export interface WatchState {
  readonly kind: SkippedObject['kind'];
  /**
   * listing: reading everything; watching: following changes; waiting: after a failure, until an attempt is answered;
   * unavailable: the server does not know this kind, or does not show it, and the agent does without; `lastError`
   * is its answer. It is asked again every few minutes.
   */
  readonly phase: 'listing' | 'watching' | 'waiting' | 'unavailable';
  /** The latest failure, kept after recovery. */
  readonly lastError?: string;
  readonly lastErrorAt?: Date;
  /** When the server, or the folder, last gave an answer. */
  readonly lastContact?: Date;
  /** Complete lists after the first one. */
  readonly relists: number;
  /** Lists and watches that failed, each attempt. */
  readonly failures: number;
}
