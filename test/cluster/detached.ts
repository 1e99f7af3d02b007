// SPDX-License-Identifier: Apache-2.0
// A command on a machine that takes hours, without a stream that it depends on: it runs by itself there, writes to a
// file, and whoever wants to know looks again and again. Called by conformance-command.ts. A connection that breaks,
// or a caller that ends, costs the run nothing.

import { setTimeout as sleep } from 'node:timers/promises';
import { EnvironmentError } from '../../agent/errors.ts';
import type { Machine } from './inventory.ts';
import { mustRunScript, quoted, RemoteTimeoutError, UnreachableError } from './ssh.ts';

export interface DetachedRun {
  /** A folder there; the run's own, for `output.txt` and what tells of its state. */
  readonly directory: string;
  /** Bash. */
  readonly script: string;
  /** When it is over, the script is ended there, with exit code 124 or 137. */
  readonly timeoutS: number;
  readonly env?: Readonly<Record<string, string>>;
}

interface FollowOptions {
  readonly onLine?: (line: string) => void;
  /** How long a machine may be out of reach at a time. */
  readonly patienceMs?: number;
  readonly pauseMs?: number;
}

const PATIENCE_MS = 15 * 60_000;
const PAUSE_MS = 5000;

/**
 * Begins it, in a session of its own.
 * @throws EnvironmentError when one in the same folder goes on; UnreachableError, when it may have begun.
 */
export async function startDetached(machine: Machine, run: DetachedRun): Promise<void> {
  const { directory, script, timeoutS, env = {} } = run;
  const inner = ['timeout', '--kill-after=10', `${timeoutS}`, 'bash', '-c', script];
  // The code comes into being with its content, so that it is never read half.
  const outer = `echo $$ >pid; ${inner.map(quoted).join(' ')}; echo $? >code.new; mv code.new code`;
  const start = `set -e; mkdir -p ${quoted(directory)}; cd ${quoted(directory)}
if [ -e pid ] && [ ! -e code ] && kill -0 "$(cat pid)" 2>/dev/null; then echo goes on; exit; fi
rm -f code pid; : >output.txt
setsid bash -c ${quoted(outer)} </dev/null >output.txt 2>&1 &
until [ -s pid ]; do sleep 0.1; done`;
  const said = await mustRunScript(machine, start, { env });
  if (said.trim() !== '') {
    throw new EnvironmentError(`${machine.name}: what was begun in ${directory} goes on`);
  }
}

/**
 * Waits until it has ended; may be called by another process than the one that began it.
 * @returns its exit code and all that it has said.
 * @throws EnvironmentError when there is none, or it was ended with its machine; UnreachableError when the machine stays
 * out of reach.
 */
export async function followDetached(
  machine: Machine,
  directory: string,
  { onLine, patienceMs = PATIENCE_MS, pauseMs = PAUSE_MS }: FollowOptions = {},
): Promise<{ code: number; output: string }> {
  const lines: string[] = [];
  let reachedMs = performance.now();
  for (;;) {
    try {
      const [state = '', ...more] = await look(machine, directory, lines.length);
      reachedMs = performance.now();
      lines.push(...more);
      for (const line of more) onLine?.(line);
      if (/^\d+$/.test(state)) return { code: Number(state), output: lines.join('\n') };
      if (state !== 'runs') {
        throw new EnvironmentError(`${machine.name}: nothing runs in ${directory}, nor has ended`, {
          hint: 'has the machine been restarted?',
        });
      }
    } catch (error) {
      const isAway = error instanceof UnreachableError || error instanceof RemoteTimeoutError;
      if (!isAway || performance.now() - reachedMs > patienceMs) throw error;
    }
    await sleep(pauseMs);
  }
}

/** @returns the state, and whole lines from `seen` on. The state is read first: what it has said is complete then. */
async function look(machine: Machine, directory: string, seen: number): Promise<string[]> {
  const script = `cd ${quoted(directory)} 2>/dev/null && [ -e output.txt ] || { echo none; exit; }
if [ -e code ]; then cat code; [ ! -s output.txt ] || [ -z "$(tail -c 1 output.txt)" ] || echo >>output.txt
elif [ -e pid ] && kill -0 "$(cat pid)" 2>/dev/null; then echo runs; else cat code 2>/dev/null || echo none; fi
lines=$(wc -l <output.txt)
[ "$lines" -le ${seen} ] || sed -n "${seen + 1},$lines p" output.txt`;
  const said = await mustRunScript(machine, script, { timeoutS: 300 });
  return said.split('\n').slice(0, -1);
}
