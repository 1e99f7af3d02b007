// SPDX-License-Identifier: Apache-2.0
// BPF objects that are not as they were built: libbpf reads them within the agent's own process, where nothing could be
// done about a crash. In a process of their own here, so that it is told of.

import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { faultTest } from '../../faults/fault-test.ts';
import { requireRoot } from '../../helpers/requirements.ts';
import { mutatedBytes } from './mutate.ts';

const BUILD = path.join(import.meta.dirname, '../../../bpf/build');
const OPENER = path.join(import.meta.dirname, 'open-objects.ts');

faultTest(
  test,
  'hostile-input',
  (t, report) => {
    if (!requireRoot(t)) return;
    const { FUZZ_SEED, FUZZ_RUNS = '150' } = process.env;
    const seed = FUZZ_SEED === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(FUZZ_SEED);
    const objects = globSync('*.o', { cwd: BUILD, exclude: ['*.bpf.o'] }).map(
      (name) => new Uint8Array(readFileSync(path.join(BUILD, name))),
    );
    const longest = Math.max(...objects.map(({ length }) => length));
    const damaged = fc.sample(mutatedBytes(objects, longest), { numRuns: Number(FUZZ_RUNS), seed });
    const folder = mkdtempSync(path.join(os.tmpdir(), 'signalbox-objects-'));
    t.teardown(() => {
      if (t.passed) rmSync(folder, { recursive: true });
    });
    for (const [i, bytes] of damaged.entries()) writeFileSync(path.join(folder, `${i}.o`), bytes);
    const { status, signal, stdout } = spawnSync(process.execPath, [OPENER, folder], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      maxBuffer: 2 ** 30,
    });
    const results = stdout.trimEnd().split('\n');
    t.is(signal ?? status, 0, `FUZZ_SEED=${seed}, in ${folder}: ${results.at(-1)}`);
    t.is(results.length, damaged.length);
    t.deepEqual(
      results.filter((line) => !/^\d+ (loaded|refused: cannot (open|load|leave|find) )/.test(line)),
      [],
      `FUZZ_SEED=${seed}`,
    );
    report({ injections: results.length, failed: 0 });
  },
  'BPF objects',
);
