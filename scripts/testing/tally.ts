// SPDX-License-Identifier: Apache-2.0
// Counts tests from the events that AVA tells (ava.config.js). Pure, so that what counts as a failure is
// itself tested.

import { EXPECTED_IN_CI, SKIPPED } from '../../test/helpers/requirements.ts';

/** What ava.config.js tells of one event; which of it is there depends on the type. */
export interface AvaEvent {
  readonly type: string;
  readonly testFile?: string;
  readonly title?: string;
  readonly logs?: readonly string[];
  readonly skip?: boolean;
  readonly todo?: boolean;
}

export interface Outcome {
  readonly verdict: 'passed' | 'failed' | 'skipped';
  /** The test, or the file that broke before or beside its tests. */
  readonly subject: string;
  /** Why it was skipped, or why a skip is a failure. */
  readonly reason?: string;
}

export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** A file that breaks tells of it more than once: as the exception and as the worker that ended. */
const BREAKS = new Set([
  'internal-error',
  'missing-ava-import',
  'process-exit',
  'timeout',
  'uncaught-exception',
  'unhandled-rejection',
  'worker-failed',
]);

/** @returns what an event says about a test; undefined when it says nothing final. */
export function outcomeOf(event: AvaEvent, { inCi }: { inCi: boolean }): Outcome | undefined {
  const file = event.testFile ?? 'the run';
  const subject = `${file} › ${event.title}`;
  if (BREAKS.has(event.type)) return { verdict: 'failed', subject: file, reason: event.type };
  switch (event.type) {
    case 'test-failed':
    case 'hook-failed':
      return { verdict: 'failed', subject };
    case 'test-passed': {
      const reason = event.logs?.find((log) => log.startsWith(SKIPPED))?.slice(SKIPPED.length);
      return reason === undefined ? { verdict: 'passed', subject } : skipped(subject, reason, inCi);
    }
    case 'selected-test':
      if (event.skip) return skipped(subject, 'test.skip', inCi);
      if (event.todo) return skipped(subject, 'test.todo', inCi);
      return undefined;
    default:
      return undefined;
  }
}

/** @returns the counts; a subject that failed more than once counts once. */
export function tally(outcomes: readonly Outcome[]): Tally {
  const count = (verdict: Outcome['verdict']) =>
    outcomes.filter((outcome) => outcome.verdict === verdict);
  return {
    passed: count('passed').length,
    failed: new Set(count('failed').map(({ subject }) => subject)).size,
    skipped: count('skipped').length,
  };
}

function skipped(subject: string, reason: string, inCi: boolean): Outcome {
  return inCi && !EXPECTED_IN_CI.some((expected) => expected.test(reason))
    ? { verdict: 'failed', subject, reason: `may not be skipped in CI: ${reason}` }
    : { verdict: 'skipped', subject, reason };
}
