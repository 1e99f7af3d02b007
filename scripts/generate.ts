#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// Writes what is made from something else (generated-files.ts); --check only compares.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { GENERATED_FILES } from './generated-files.ts';

const ROOT = path.join(import.meta.dirname, '..');

const USAGE = `Usage: npm run generate [-- --check]

Writes every file that is made from another one:
${GENERATED_FILES.map(({ file }) => `  ${file}`).join('\n')}

  --check  write nothing; exit 1 when one of them is out of date`;

const { values } = parseArgs({
  options: { check: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
});

if (values.help) {
  console.log(USAGE);
} else {
  for (const { file, text } of GENERATED_FILES) generate(file, await text());
}

function generate(file: string, text: string): void {
  const target = path.join(ROOT, file);
  if (readIfThere(target) === text) return;
  if (values.check) {
    console.error(`${file} is out of date. Run: npm run generate`);
    process.exitCode = 1;
    return;
  }
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, text);
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
