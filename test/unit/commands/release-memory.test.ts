// SPDX-License-Identifier: Apache-2.0
// What is given back, in a process of its own: garbage that V8 and libc would keep.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import test from 'ava';

const run = promisify(execFile);
const MODULE = new URL('../../../agent/commands/release-memory.ts', import.meta.url).href;

/** MiB of V8's heap before and after `release`, of a process that made 50 MiB of garbage that has grown old. */
async function heapAround(release: string): Promise<[number, number]> {
  const script = `
    import { setTimeout as sleep } from 'node:timers/promises';
    const { releaseMemory, releaseMemoryAfter } = await import('${MODULE}');
    let kept = Array.from({ length: 1_000_000 }, (_, i) => ({ i }));
    const total = () => Math.round(process.memoryUsage().heapTotal / 2 ** 20);
    kept = [];
    const before = total();
    ${release}
    console.log(JSON.stringify([before, total()]));`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script]);
  return JSON.parse(stdout) as [number, number];
}

test('what nobody uses is given back at once', async (t) => {
  const [before, after] = await heapAround('releaseMemory();');
  t.true(after < before / 2, `${before} to ${after} MiB`);
});

test('after a pass over many Services, and not after one over few', async (t) => {
  const wait = 'await sleep(1500);';
  const many = await heapAround(`releaseMemoryAfter({ services: 1000 }); ${wait}`);
  const few = await heapAround(`releaseMemoryAfter({ services: 999 }); ${wait}`);
  t.true(many[1] < many[0] / 2, `${many[0]} to ${many[1]} MiB`);
  t.true(few[1] > few[0] / 2, `${few[0]} to ${few[1]} MiB`);
});
