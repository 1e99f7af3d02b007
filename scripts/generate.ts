#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// Writes agent/sys/layout.gen.ts from the BTF of the compiled programs; --check only compares.

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { buildBpf } from './build.ts';
import { Btf } from './layout/btf.ts';
import { emitLayout } from './layout/emit.ts';

const TARGET = path.join(import.meta.dirname, '../agent/sys/layout.gen.ts');

const USAGE = `Usage: npm run generate [-- --check]

Writes agent/sys/layout.gen.ts from the compiled BPF objects.

  --check  write nothing; exit 1 when the file in the tree is out of date`;

const { values } = parseArgs({
  options: { check: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
});

if (values.help) {
  console.log(USAGE);
} else {
  const text = emitLayout(...buildBpf().map(Btf.ofObject));
  if (!values.check) {
    writeFileSync(TARGET, text);
  } else if (readIfThere(TARGET) !== text) {
    console.error('agent/sys/layout.gen.ts is out of date. Run: npm run generate');
    process.exitCode = 1;
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
