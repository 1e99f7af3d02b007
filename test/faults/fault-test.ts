// SPDX-License-Identifier: Apache-2.0
// A test of a fault of registry.ts. It asserts what is promised, never a time; its figures it reports, and
// results.ts makes the table of them.

import { appendFileSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import type { ExecutionContext, TestFn } from 'ava';
import { FAULTS, type FaultId } from './registry.ts';

/** Where figures go: a folder. Without it they are only logged. */
export const FIGURES_ENV = 'SIGNALBOX_FAULTS';

/** What a test has seen. What does not apply is left out. */
export interface FaultFigures {
  /** How often the fault was brought about. */
  readonly injections?: number;
  /** Connections, datagrams or look-ups that were tried meanwhile. */
  readonly attempts?: number;
  /** Of these: refused, reset, timed out, answered wrongly. */
  readonly failed?: number;
  /** Long-lived connections that ended. */
  readonly lost?: number;
  /** The longest time from the fault to all being as it should, in milliseconds. */
  readonly repairMs?: number;
  /** What else is worth a column: memory, lag; one short clause. */
  readonly note?: string;
}

/** A line of the figures. */
export interface FaultLine extends FaultFigures {
  readonly id: FaultId;
  /** The test that has seen it. */
  readonly title: string;
  readonly file: string;
}

export type FaultBody = (
  t: ExecutionContext,
  report: (figures: FaultFigures) => void,
) => Promise<void> | void;

/**
 * Declares the test of a fault: serial, its title begins with the fault's name.
 *
 * @param test AVA's function, of the file that calls.
 * @param variant for a fault that has more than one test.
 */
export function faultTest(test: TestFn, id: FaultId, body: FaultBody, variant?: string): void {
  const title = variant === undefined ? FAULTS[id].fault : `${FAULTS[id].fault}: ${variant}`;
  test.serial(title, async (t) => {
    const file = path.relative(process.cwd(), new URL(test.meta.file).pathname);
    await body(t, (figures) => {
      t.log(figures);
      writeLine({ id, title, file, ...figures });
    });
  });
}

function writeLine(line: FaultLine): void {
  const folder = process.env[FIGURES_ENV];
  if (folder === undefined) return;
  mkdirSync(folder, { recursive: true });
  appendFileSync(path.join(folder, `${process.pid}.jsonl`), `${JSON.stringify(line)}\n`);
}
