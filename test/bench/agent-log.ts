// SPDX-License-Identifier: Apache-2.0
// What the agent wrote of its own doings: JSON lines, with the time of each. Read afterwards, so that
// looking costs the agent nothing.

import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

export interface LogLine {
  /** Milliseconds since the epoch. */
  readonly atMs: number;
  readonly msg: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A pass that wrote to the tables. It ended at `atMs`. */
export interface Pass {
  readonly atMs: number;
  readonly services: number;
  readonly writes: number;
  readonly durationMs: number;
}

/** Until the lines of an agent that has nothing to say have reached the file. */
const WRITTEN_WITHIN_MS = 300;

/** The lines since `sinceMs`. */
export async function readAgentLog(file: string, sinceMs: number): Promise<LogLine[]> {
  await sleep(WRITTEN_WITHIN_MS);
  return parseAgentLog(await readFile(file, 'utf8')).filter(({ atMs }) => atMs >= sinceMs);
}

/** Leaves out what is not JSON, such as a stack. Pure. */
export function parseAgentLog(text: string): LogLine[] {
  return text.split('\n').flatMap((line) => {
    if (!line.startsWith('{')) return [];
    const { time, msg, ...fields } = JSON.parse(line) as { time: string; msg: string };
    return [{ atMs: Date.parse(time), msg, fields }];
  });
}

export function passes(lines: readonly LogLine[]): Pass[] {
  return lines
    .filter(({ msg, fields }) => msg === 'programmed' && Number(fields.writes) > 0)
    .map(({ atMs, fields }) => ({
      atMs,
      services: Number(fields.services),
      writes: Number(fields.writes),
      durationMs: Number(fields.durationMs),
    }));
}

/** @throws Error when there is none. */
export function lastPass(lines: readonly LogLine[]): Pass {
  const last = passes(lines).at(-1);
  if (!last) throw new Error('the agent logged no pass that wrote anything');
  return last;
}
