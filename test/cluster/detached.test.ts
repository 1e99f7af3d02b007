// SPDX-License-Identifier: Apache-2.0
// A command that outlives the connection it was begun by. The program in the place of ssh runs on this machine, and
// breaks when the test wants it to.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { followDetached, startDetached } from './detached.ts';
import type { Machine } from './inventory.ts';
import { UnreachableError } from './ssh.ts';

const MACHINE: Machine = {
  name: 'cp',
  role: 'control-plane',
  address: { ipv4: '192.0.2.1', ipv6: '2001:db8::1' },
  ssh: { host: 'cp.example', port: 22, user: 'root' },
};

const bin = mkdtempSync(path.join(tmpdir(), 'detached-'));
const BROKEN = path.join(bin, 'broken');
test.before(() => {
  const ssh = `#!/bin/bash
[ ! -e ${BROKEN} ] || { echo 'Broken pipe' >&2; exit 255; }
exec sh -c "\${!#}"
`;
  writeFileSync(path.join(bin, 'ssh'), ssh, { mode: 0o755 });
  process.env.PATH = `${bin}:${process.env.PATH}`;
});
test.after.always(() => rmSync(bin, { recursive: true }));
test.afterEach.always(() => rmSync(BROKEN, { force: true }));

function folder(t: ExecutionContext): string {
  const made = mkdtempSync(path.join(bin, 'folder-'));
  t.teardown(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

const FAST = { pauseMs: 20 };

test.serial('what it says and its exit code come back, each line once', async (t) => {
  const directory = folder(t);
  const script = `echo "it's $VALUE"; echo two >&2; while [ ! -e go ]; do sleep 0.02; done; printf 'no end'; exit 3`;
  await startDetached(MACHINE, { directory, script, timeoutS: 60, env: { VALUE: 'a b' } });
  const lines: string[] = [];
  const end = followDetached(MACHINE, directory, { ...FAST, onLine: (line) => lines.push(line) });
  while (lines.length < 2) await sleep(20);
  writeFileSync(path.join(directory, 'go'), '');
  t.deepEqual(await end, { code: 3, output: "it's a b\ntwo\nno end" });
  t.deepEqual(lines, ["it's a b", 'two', 'no end']);
  // Somebody else asks, later.
  t.deepEqual(await followDetached(MACHINE, directory), {
    code: 3,
    output: "it's a b\ntwo\nno end",
  });
});

test.serial('a connection that breaks takes nothing from it', async (t) => {
  const directory = folder(t);
  const script = 'echo one; while [ ! -e go ]; do sleep 0.02; done; echo two';
  await startDetached(MACHINE, { directory, script, timeoutS: 60 });
  const lines: string[] = [];
  const end = followDetached(MACHINE, directory, { ...FAST, onLine: (line) => lines.push(line) });
  while (lines.length < 1) await sleep(20);
  writeFileSync(BROKEN, '');
  await sleep(200);
  writeFileSync(path.join(directory, 'go'), '');
  while (!existsSync(path.join(directory, 'code'))) await sleep(20);
  rmSync(BROKEN);
  t.deepEqual(await end, { code: 0, output: 'one\ntwo' });
});

test.serial('a machine that stays out of reach is told', async (t) => {
  const directory = folder(t);
  await startDetached(MACHINE, { directory, script: 'true', timeoutS: 60 });
  writeFileSync(BROKEN, '');
  const end = followDetached(MACHINE, directory, { ...FAST, patienceMs: 100 });
  await t.throwsAsync(end, { instanceOf: UnreachableError, message: /Broken pipe/ });
});

test.serial('it is ended when its time is over', async (t) => {
  const directory = folder(t);
  await startDetached(MACHINE, { directory, script: 'exec sleep 1000', timeoutS: 1 });
  t.is((await followDetached(MACHINE, directory, FAST)).code, 124);
});

test.serial('there is one at a time in a folder', async (t) => {
  const directory = folder(t);
  const script = 'while [ ! -e go ]; do sleep 0.02; done';
  await startDetached(MACHINE, { directory, script, timeoutS: 60 });
  const again = startDetached(MACHINE, { directory, script: 'true', timeoutS: 60 });
  await t.throwsAsync(again, { message: /goes on/ });
  writeFileSync(path.join(directory, 'go'), '');
  t.is((await followDetached(MACHINE, directory, FAST)).code, 0);
  await startDetached(MACHINE, { directory, script: 'exit 5', timeoutS: 60 });
  t.is((await followDetached(MACHINE, directory, FAST)).code, 5);
});

test.serial('one that went with its machine is told, and one that never was', async (t) => {
  const directory = folder(t);
  const script = 'while [ ! -e go ]; do sleep 0.02; done';
  await startDetached(MACHINE, { directory, script, timeoutS: 60 });
  process.kill(Number(readFileSync(path.join(directory, 'pid'), 'utf8')), 'SIGKILL');
  writeFileSync(path.join(directory, 'go'), '');
  const message = /nothing runs/;
  await t.throwsAsync(followDetached(MACHINE, directory, FAST), { message });
  await t.throwsAsync(followDetached(MACHINE, folder(t), FAST), { message });
});
