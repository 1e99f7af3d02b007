// SPDX-License-Identifier: Apache-2.0
// The files that the text checks look at: all that git knows or would take in.

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { ROOT, runCommand } from '../command.ts';

export interface SourceFile {
  /** From the project's root folder. */
  readonly path: string;
  readonly text: string;
}

/** @returns every text file of the working tree that is not ignored. @throws outside of a git clone. */
export async function readSourceFiles(): Promise<readonly SourceFile[]> {
  const listed = await runCommand('git', ['ls-files', '-z', '-co', '--exclude-standard']);
  if (!listed.ok) throw new Error(`cannot list the files of ${ROOT}: ${listed.output}`);
  const paths = listed.output.split('\0').filter((file) => file !== '');
  const files = await Promise.all(paths.map(readText));
  return files.filter((file) => file !== undefined);
}

async function readText(file: string): Promise<SourceFile | undefined> {
  const bytes = await readFile(path.join(ROOT, file)).catch(() => undefined);
  // Git may still list what was just deleted; a NUL is what git itself takes for binary.
  return bytes === undefined || bytes.includes(0)
    ? undefined
    : { path: file, text: bytes.toString('utf8') };
}
