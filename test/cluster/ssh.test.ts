// SPDX-License-Identifier: Apache-2.0
// What is done over ssh, with a program in the place of ssh that runs the command on this machine: the remote
// side's shell, bash, timeout and tar are the real ones.

import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Machine } from './inventory.ts';
import {
  copyTree,
  mustRunScript,
  RemoteTimeoutError,
  runScript,
  sshCommand,
  UnreachableError,
} from './ssh.ts';

/** The last word is the command; the one before is the destination. */
const SSH = `#!/bin/bash
[[ " $* " != *" nobody@"* ]] || { echo 'Permission denied' >&2; exit 255; }
exec sh -c "\${!#}"
`;

const MACHINE: Machine = {
  name: 'w1',
  role: 'worker',
  address: { ipv4: '192.0.2.1', ipv6: '2001:db8::1' },
  ssh: {
    host: 'w1.example',
    port: 2222,
    user: 'root',
    identityFile: '/key',
    options: ['LogLevel=INFO'],
  },
};

const directory = mkdtempSync(path.join(tmpdir(), 'ssh-'));
test.before(() => {
  writeFileSync(path.join(directory, 'ssh'), SSH);
  chmodSync(path.join(directory, 'ssh'), 0o755);
  process.env.PATH = `${directory}:${process.env.PATH}`;
});
test.after.always(() => rmSync(directory, { recursive: true }));

function folder(t: ExecutionContext): string {
  const made = mkdtempSync(path.join(directory, 'folder-'));
  t.teardown(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

test('a script comes through two shells as it is, with its variables and its input', async (t) => {
  const value = `it's "so" $HOME \\ * ;&`;
  const { code, stdout, stderr } = await runScript(
    MACHINE,
    `printf '%s\\n' "$VALUE" 'a  b'; cat; echo "it's" >&2; exit 3`,
    { env: { VALUE: value }, input: 'input\n' },
  );
  t.deepEqual([code, stdout, stderr], [3, `${value}\na  b\ninput\n`, "it's\n"]);
});

test('each line is told as it comes', async (t) => {
  const lines: string[] = [];
  await runScript(MACHINE, 'echo one; echo two', { onLine: (line) => lines.push(line) });
  t.deepEqual(lines, ['one', 'two']);
});

test('what fails says where, what and why', async (t) => {
  const error = await t.throwsAsync(mustRunScript(MACHINE, 'echo why >&2; exit 4'));
  t.is(error?.message, 'w1: echo why >&2; exit 4 ended with exit code 4:\n  why');
});

test('a machine that does not let us in is another thing than a command that fails', async (t) => {
  const machine = { ...MACHINE, ssh: { ...MACHINE.ssh, user: 'nobody' } };
  const error = await t.throwsAsync(runScript(machine, 'true'), { instanceOf: UnreachableError });
  t.is(error?.message, 'w1 (nobody@w1.example, port 2222), for true: Permission denied');
});

test('a command that does not end is ended there', async (t) => {
  const file = path.join(folder(t), 'pid');
  const script = `echo $$ >${file}; exec sleep 1000`;
  await t.throwsAsync(runScript(MACHINE, script, { timeoutS: 1 }), {
    instanceOf: RemoteTimeoutError,
  });
  t.false(existsSync(`/proc/${readFileSync(file, 'utf8').trim()}`));
});

test("the inventory's options of ssh come before those of ours", (t) => {
  const command = sshCommand(MACHINE);
  t.true(command.indexOf('LogLevel=INFO') < command.indexOf('LogLevel=ERROR'));
  t.true(command.includes('IdentityFile=/key'));
  t.deepEqual(command.slice(-3), ['-p', '2222', 'root@w1.example']);
});

test('files are brought when they differ from those that are there, and then exactly they', async (t) => {
  const from = folder(t);
  const to = path.join(folder(t), 'it is here');
  mkdirSync(path.join(from, 'a/b'), { recursive: true });
  writeFileSync(path.join(from, 'a/b/file'), 'one');
  writeFileSync(path.join(from, 'not this'), '');
  const tree = { from, paths: ['a'], to };
  t.true(await copyTree(MACHINE, tree));
  t.false(await copyTree(MACHINE, tree));
  rmSync(path.join(from, 'a/b/file'));
  writeFileSync(path.join(from, 'a/other'), 'two');
  t.true(await copyTree(MACHINE, tree));
  t.is(readFileSync(path.join(to, 'a/other'), 'utf8'), 'two');
  t.false(existsSync(path.join(to, 'a/b/file')));
  t.false(existsSync(path.join(to, 'not this')));
});

test('files that are not here are told, and nothing is changed there', async (t) => {
  const to = path.join(folder(t), 'there');
  const tree = { from: directory, paths: ['missing'], to };
  await t.throwsAsync(copyTree(MACHINE, tree), { message: /missing.*No such file/s });
  t.false(existsSync(to));
});
