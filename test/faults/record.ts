#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// `node test/faults/record.ts`: runs every test of a fault and keeps what they report in results.json, of which
// `npm run generate` makes docs/faults.md. Some minutes; needs root, and a machine that does nothing else.

import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type FaultLine, FIGURES_ENV } from './fault-test.ts';
import { FAULTS, type FaultId } from './registry.ts';
import type { FaultResults } from './results.ts';

const ROOT = path.join(import.meta.dirname, '../..');
const RESULTS = path.join(import.meta.dirname, 'results.json');
const ORDER = Object.keys(FAULTS) as FaultId[];

/** A folder of figures that a run has left, in place of a new run. */
const [given] = process.argv.slice(2);
const folder = given ?? mkdtempSync(path.join(os.tmpdir(), 'signalbox-faults-'));
const code = given === undefined ? runTests(folder) : 0;
if (code === 0) {
  writeFileSync(RESULTS, `${JSON.stringify(resultsIn(folder), undefined, 2)}\n`);
  console.log(`${RESULTS} is written; npm run generate makes docs/faults.md of it.`);
} else {
  console.error('a test failed: nothing is written');
  process.exitCode = 1;
}
if (given === undefined) rmSync(folder, { recursive: true });

function runTests(figures: string): number {
  const files = globSync('test/**/*.test.ts', { cwd: ROOT }).filter((file) =>
    readFileSync(path.join(ROOT, file), 'utf8').includes('faultTest('),
  );
  const ava = path.join(ROOT, 'node_modules/ava/entrypoints/cli.mjs');
  const { status } = spawnSync(process.execPath, [ava, '--serial', '--timeout=5m', ...files], {
    cwd: ROOT,
    env: { ...process.env, [FIGURES_ENV]: figures },
    stdio: 'inherit',
  });
  return status ?? 1;
}

function resultsIn(figures: string): FaultResults {
  const lines = readdirSync(figures)
    .flatMap((file) => readFileSync(path.join(figures, file), 'utf8').trim().split('\n'))
    .map((line) => JSON.parse(line) as FaultLine)
    .sort(
      (one, other) =>
        ORDER.indexOf(one.id) - ORDER.indexOf(other.id) || (one.title < other.title ? -1 : 1),
    );
  return {
    date: new Date().toISOString().slice(0, 10),
    kernel: os.release(),
    processors: os.availableParallelism(),
    lines,
  };
}
