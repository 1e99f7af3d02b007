// SPDX-License-Identifier: Apache-2.0
// Whether a container sees the file system that the host has, by the root of the host's first process.

import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { isHostsToo } from '../../../agent/sys/bpf-filesystem.ts';

/** A proc file system whose first process has that root, and a directory. */
function place(t: ExecutionContext): { proc: string; root: string; directory: string } {
  const parent = mkdtempSync(path.join(tmpdir(), 'signalbox-root-'));
  t.teardown(() => rmSync(parent, { recursive: true }));
  const [proc, root, directory] = ['proc', 'root', 'bpf'].map((name) => path.join(parent, name));
  for (const made of [`${proc}/1`, `${root}`, `${directory}`]) mkdirSync(made, { recursive: true });
  return { proc: `${proc}`, root: `${root}`, directory: `${directory}` };
}

test('the same', (t) => {
  const { proc, directory } = place(t);
  symlinkSync('/', `${proc}/1/root`);
  t.true(isHostsToo(directory, proc));
});

test('another one, or none', (t) => {
  const { proc, root, directory } = place(t);
  symlinkSync(root, `${proc}/1/root`);
  t.false(isHostsToo(directory, proc));
  mkdirSync(path.join(root, directory), { recursive: true });
  t.false(isHostsToo(directory, proc));
});

test('what cannot be looked at says nothing', (t) => {
  const { proc, directory } = place(t);
  t.is(isHostsToo(directory, proc), undefined);
  symlinkSync('/', `${proc}/1/root`);
  t.is(isHostsToo(`${directory}/gone`, proc), undefined);
});
