// SPDX-License-Identifier: Apache-2.0
// The C programs of test/netns, compiled on this machine for all guests that this process boots.

import { globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ROOT } from '../../scripts/command.ts';
import { compileProgram } from '../netns/compile-program.ts';

let compiled: Promise<string> | undefined;

/** @returns the folder that they are in, which guests see. It goes with this process. */
export function compiledPrograms(): Promise<string> {
  compiled ??= compileAll();
  return compiled;
}

async function compileAll(): Promise<string> {
  const directory = mkdtempSync(path.join(tmpdir(), 'signalbox-programs-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  const sources = globSync('test/netns/*.c', { cwd: ROOT }).filter(
    (source) => !source.endsWith('.bpf.c'),
  );
  for (const source of sources) await compileProgram(path.basename(source), directory);
  return directory;
}
