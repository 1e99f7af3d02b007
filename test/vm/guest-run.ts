// SPDX-License-Identifier: Apache-2.0
// Boots a guest, has in-guest.ts run suites there, and takes down what it says. For main.ts and oldest-kernel.test.ts.

import { StringDecoder } from 'node:string_decoder';
import { messageOf } from '../../agent/errors.ts';
import { ROOT } from '../../scripts/command.ts';
import { runInGuest } from '../../scripts/guest/boot.ts';
import type { Kernel } from '../../scripts/guest/kernels.ts';
import { compiledPrograms } from './compiled-programs.ts';
import { type SuiteName, subjectsOf } from './plan.ts';
import type { FileResult, FindingResult, GuestEvent, ProgramResult } from './result.ts';

/** What the tests write and compile is in the guest's memory, too. */
const MEMORY_MB = 3000;

const ENVIRONMENT = {
  // Compiled once in each guest: emulated, that is half of what a short command takes.
  NODE_COMPILE_CACHE: '/tmp/node-compile-cache',
  // Ten times as slow, and half of that again where something else runs beside it.
  SIGNALBOX_TEST_PATIENCE: '20',
};

export interface ShiftRun {
  readonly kernel: Kernel;
  readonly suites: readonly SuiteName[];
  /** Whether only what `npm test` runs of them. */
  readonly isPart: boolean;
  readonly timeoutS: number;
  readonly onEvent?: (event: GuestEvent) => void;
  readonly signal?: AbortSignal;
}

export interface ShiftResult {
  readonly files: readonly FileResult[];
  readonly programs: readonly ProgramResult[];
  readonly findings: readonly FindingResult[];
  /** What AVA and others say of failures, each once. */
  readonly reports: readonly string[];
  /** Why it ended before its end, with the last that the guest said; undefined when it did not. */
  readonly trouble: string | undefined;
}

/** Lines of what is no event that are shown when a guest does not come to its end. */
const SHOWN_LINES = 40;

/** Runs suites in one guest. Never throws. What a guest did not get to has failed. */
export async function runShift(shift: ShiftRun): Promise<ShiftResult> {
  const { kernel, suites, isPart, timeoutS, onEvent, signal } = shift;
  const events: GuestEvent[] = [];
  const said: string[] = [];
  const takeDown = lines((line) => {
    const event = eventOf(line);
    if (event === undefined) return void said.push(line);
    events.push(event);
    onEvent?.(event);
  });
  const part = isPart ? ['--part'] : [];
  let trouble: string | undefined;
  try {
    const { exitCode } = await runInGuest({
      kernel,
      command: ['node', 'test/vm/in-guest.ts', ...part, ...suites],
      cwd: ROOT,
      memoryMb: MEMORY_MB,
      timeoutS,
      env: { ...ENVIRONMENT, SIGNALBOX_TEST_PROGRAMS: await compiledPrograms() },
      onOutput: takeDown,
      ...(signal && { signal }),
    });
    if (exitCode !== 0) trouble = `in-guest.ts ended with ${exitCode}`;
  } catch (error) {
    trouble = messageOf(error);
  }
  const files = events.flatMap((event) => (event.kind === 'file' ? event.result : []));
  const missing = suites.flatMap((suite) =>
    subjectsOf(suite, isPart)
      .filter((subject) => !files.some(({ file }) => file === subject))
      .map((subject) => notRun(suite, subject)),
  );
  if (missing.length > 0) trouble ??= 'in-guest.ts said nothing of some files';
  return {
    files: [...files, ...missing],
    programs: events.flatMap((event) => (event.kind === 'programs' ? event.programs : [])),
    findings: events.flatMap((event) => (event.kind === 'findings' ? event.findings : [])),
    reports: [
      ...new Set(
        events.flatMap((event) =>
          event.kind === 'file' && event.report !== '' ? event.report : [],
        ),
      ),
    ],
    trouble:
      trouble === undefined ? undefined : [trouble, ...said.slice(-SHOWN_LINES)].join('\n').trim(),
  };
}

function notRun(suite: SuiteName, file: string): FileResult {
  const failed = [{ title: file, reason: 'the guest did not get to it' }];
  return { suite, file, passed: 0, failed, skipped: [] };
}

function eventOf(line: string): GuestEvent | undefined {
  if (!line.startsWith('{"kind":')) return undefined;
  try {
    return JSON.parse(line) as GuestEvent;
  } catch {
    return undefined;
  }
}

/** @returns takes bytes as they come, of either stream, and gives whole lines on. */
function lines(onLine: (line: string) => void): (bytes: Buffer, stream: string) => void {
  const streams = new Map<string, { decoder: StringDecoder; rest: string }>();
  return (bytes, stream) => {
    const state = streams.get(stream) ?? { decoder: new StringDecoder('utf8'), rest: '' };
    streams.set(stream, state);
    const whole = (state.rest + state.decoder.write(bytes)).split('\n');
    state.rest = whole.pop() ?? '';
    for (const line of whole) onLine(line);
  };
}
