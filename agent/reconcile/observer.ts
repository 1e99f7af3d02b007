// SPDX-License-Identifier: Apache-2.0
// What reconciling tells of itself: the reports of passes and audits, and who is given them.

import type { ObjectKey } from '../model/objects.ts';
import type { Failure } from './apply.ts';

export interface PassReport {
  /** Everything was looked at, not only what changed. */
  readonly isFull: boolean;
  /** Services that were looked at. */
  readonly services: number;
  /** Those for which the pass was made: what others take from them or leave to them it looked at besides. */
  readonly changed: ReadonlySet<ObjectKey>;
  /** Table writes. */
  readonly steps: number;
  readonly durationMs: number;
  /** Backends that no longer serve a service port of UDP, of which sockets may go on sending to them. */
  readonly udpBackendsGone: number;
  readonly failures: readonly Failure[];
}

export interface AuditReport {
  /** Table writes that it took to mend what somebody else had changed. */
  readonly repairs: number;
}

/** Told of what happens; must not throw. */
export interface ReconcilerObserver {
  passed(report: PassReport): void;
  audited(report: AuditReport): void;
  /** Slots that nothing names stay set aside, and why; undefined: they come free again. Told again and again. */
  slotsKept?(why: string | undefined): void;
}
