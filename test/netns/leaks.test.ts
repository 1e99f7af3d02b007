// SPDX-License-Identifier: Apache-2.0
// What a test would forget, made on purpose: the check that runs after all tests must find it.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { findLeaks, lookForTraces, newMarker } from '../../scripts/testing/leaks.ts';
import { requireRoot } from '../helpers/requirements.ts';

const NAME = `sbx-leak-${process.pid}`;
const AT_ONCE = { settleMs: 0 };

test('a namespace, a cgroup, a mount and a process are found until they are gone', async (t) => {
  if (!requireRoot(t)) return;
  const marker = newMarker();
  const before = await lookForTraces(marker);
  const folder = mkdtempSync(path.join(tmpdir(), 'signalbox-leak-'));
  t.teardown(() => rmdirSync(folder));
  const cgroup = path.join(cgroupRoot(), NAME);

  const undo: (() => unknown)[] = [];
  const tidy = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  t.teardown(tidy);

  execFileSync('ip', ['netns', 'add', NAME]);
  undo.push(() => execFileSync('ip', ['netns', 'delete', NAME]));
  mkdirSync(cgroup);
  undo.push(() => rmdirSync(cgroup));
  execFileSync('mount', ['-t', 'tmpfs', 'none', folder]);
  undo.push(() => execFileSync('umount', [folder]));
  const child = spawn('sleep', ['60'], { env: { ...process.env, ...marker } });
  undo.push(async () => {
    child.kill();
    await once(child, 'exit');
  });
  await once(child, 'spawn');

  const made = [
    `network namespace ${NAME}`,
    `cgroup ${cgroup}`,
    `tmpfs mount on ${folder}`,
    `process ${child.pid}: sleep 60`,
  ];
  // Other programs of this machine may leave traces at the same time.
  const ours = (leaks: readonly string[]) => leaks.filter((leak) => made.includes(leak)).sort();
  t.deepEqual(ours(await findLeaks(before, marker, AT_ONCE)), [...made].sort());
  await tidy();
  t.deepEqual(ours(await findLeaks(before, marker)), []);
});

function cgroupRoot(): string {
  const found = execFileSync('findmnt', ['-n', '-o', 'TARGET', '-t', 'cgroup2'], {
    encoding: 'utf8',
  });
  return found.split('\n')[0] ?? '';
}
