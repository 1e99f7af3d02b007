// SPDX-License-Identifier: Apache-2.0
// Every rule of the house that a command can check, as a table. check.ts runs all of it, and so does
// test.ts. The rules about imports are in biome.json.

import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { FAULTS } from '../../test/faults/registry.ts';
import { ROOT, runCommand } from '../command.ts';
import { dependencyTableProblems } from './dependency-table.ts';
import { faultRowProblems } from './fault-rows.ts';
import { foreignPlaceProblems } from './foreign-places.ts';
import { headerProblems } from './headers.ts';
import { licenceProblems } from './licence-lines.ts';
import { lockFileProblems } from './lock-file.ts';
import { linkProblems } from './markdown-links.ts';
import { readSourceFiles } from './source-files.ts';

export interface Gate {
  readonly name: string;
  /** What to type to see its findings again. */
  readonly again: string;
  /** @returns what is wrong, ready to print; nothing when all is well. */
  readonly findProblems: () => Promise<readonly string[]>;
}

/** The longest first, so that two at a time end soonest. */
export const GATES: readonly Gate[] = [
  commandGate('generated files', 'node', ['scripts/generate.ts', '--check']),
  commandGate('types', 'tsc', ['-p', '.']),
  commandGate('lint, format, imports', 'biome', ['check', '--error-on-warnings']),
  commandGate('C format', 'clang-format', ['--dry-run', '--Werror', ...cFiles()]),
  ownGate('headers', async () => headerProblems(await readSourceFiles())),
  ownGate('licence lines', async () => licenceProblems(await readSourceFiles())),
  ownGate('Markdown links', async () => linkProblems(await readSourceFiles(), isThere)),
  ownGate('dependency table', async () =>
    dependencyTableProblems(JSON.parse(readIfThere('package.json')), readIfThere('README.md')),
  ),
  ownGate('lock file', async () => lockFileProblems(JSON.parse(readIfThere('package-lock.json')))),
  ownGate('foreign places', async () => foreignPlaceProblems(await readSourceFiles())),
  ownGate('fault rows', async () =>
    faultRowProblems(
      Object.keys(FAULTS),
      await readSourceFiles(),
      JSON.parse(readIfThere('test/faults/results.json')),
    ),
  ),
];

function commandGate(name: string, command: string, args: readonly string[]): Gate {
  const program = existsSync(path.join(ROOT, 'node_modules/.bin', command))
    ? `node_modules/.bin/${command}`
    : command;
  return {
    name,
    again: [program, ...args].join(' '),
    findProblems: async () => {
      const { ok, output } = await runCommand(program, args);
      return ok ? [] : [output];
    },
  };
}

function ownGate(name: string, findProblems: Gate['findProblems']): Gate {
  return { name, again: `node scripts/check.ts --only '${name}'`, findProblems };
}

function cFiles(): readonly string[] {
  return globSync(['{bpf,scripts,test}/**/*.{c,h}'], { cwd: ROOT }).sort();
}

function isThere(file: string): boolean {
  return existsSync(path.join(ROOT, file));
}

function readIfThere(file: string): string {
  return isThere(file) ? readFileSync(path.join(ROOT, file), 'utf8') : '';
}
