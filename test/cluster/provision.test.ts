// SPDX-License-Identifier: Apache-2.0
// What can be said about the Vagrantfile and the provisioning scripts without a machine to run them on, and how a
// script's changes are made once, told and remembered.

import { execFileSync, spawnSync } from 'node:child_process';
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { ROOT } from '../../scripts/command.ts';
import { requireExtraProgram, requireRoot } from '../helpers/requirements.ts';

const PROVISION = path.join(import.meta.dirname, 'provision');
const SCRIPTS = globSync('*.sh', { cwd: PROVISION }).sort();

function folder(t: ExecutionContext): string {
  const made = mkdtempSync(path.join(tmpdir(), 'provision-'));
  t.teardown(() => rmSync(made, { recursive: true }));
  return made;
}

/** Runs lines of bash after common.sh, with its state in the folder. @returns what they say. */
function withCommon(directory: string, lines: string): string {
  const script = `. ${PROVISION}/common.sh\nSTATE=${directory}/state\n${lines}`;
  return execFileSync('bash', ['-c', script, 'part.sh'], { encoding: 'utf8' });
}

const CASES: readonly Readonly<Record<string, string>>[] = [
  {},
  { VM_DEBIAN: '12' },
  { VM_DEBIAN: '13,12', VM_WORKERS: '3', POD_NETWORK: 'flannel' },
  { VM_CLUSTER: 'none', VM_BOX: 'my/box', VM_WORKERS: '0' },
];
for (const variables of CASES) {
  const given = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  test(`Vagrant takes the Vagrantfile with ${given.join(' ') || 'its defaults'}`, (t) => {
    if (!requireExtraProgram(t, 'vagrant')) return;
    const directory = folder(t);
    const env = {
      ...process.env,
      ...variables,
      VAGRANT_HOME: path.join(directory, 'home'),
      VAGRANT_DOTFILE_PATH: path.join(directory, 'dot'),
      VAGRANT_CHECKPOINT_DISABLE: '1',
    };
    const args = ['validate', '--ignore-provider'];
    const { status, stdout, stderr } = spawnSync('vagrant', args, { cwd: ROOT, env });
    t.is(status, 0, `${stdout}${stderr}`);
  });
}

test('bash can read every script', (t) => {
  for (const script of SCRIPTS) {
    const { status, stderr } = spawnSync('bash', ['-n', script], {
      cwd: PROVISION,
      encoding: 'utf8',
    });
    t.is(status, 0, stderr);
  }
});

test('shellcheck finds nothing in the scripts', (t) => {
  if (!requireExtraProgram(t, 'shellcheck')) return;
  const files = SCRIPTS.map((script) => path.join(PROVISION, script));
  const { status, stdout } = spawnSync('shellcheck', ['-x', ...files], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  t.is(status, 0, stdout);
});

test('each variable that a script cannot do without is given by both ways to run it', (t) => {
  const givers = ['Vagrantfile', 'test/cluster/network-plan.ts', 'test/cluster/up-command.ts'];
  const [vagrantfile = '', ...ours] = givers.map((file) =>
    readFileSync(path.join(ROOT, file), 'utf8'),
  );
  const needed = SCRIPTS.flatMap((script) => {
    const text = readFileSync(path.join(PROVISION, script), 'utf8');
    return [...text.matchAll(/^(?!#).*?\bneed ((?:[A-Z]\w+ ?)+)/gm)].flatMap(([, names = '']) =>
      names.trim().split(' '),
    );
  });
  t.true(needed.includes('CONTROL_PLANE_IPV4'));
  for (const name of new Set(needed)) {
    t.true(vagrantfile.includes(`"${name}" =>`), `${name} in the Vagrantfile`);
    t.regex(ours.join(''), new RegExp(`\\b${name}:`), name);
  }
});

test('a file is written once, with its mode, and what was there before is kept', (t) => {
  if (!requireRoot(t)) return;
  const directory = folder(t);
  const file = path.join(directory, 'etc/file');
  const put = `put ${file} 600 <<<new; echo "$WAS_PUT"; summary`;
  t.is(withCommon(directory, put), `part: wrote ${file}\nyes\npart: changes: 1\n`);
  t.is(withCommon(directory, put), 'no\npart: nothing to change\n');
  execFileSync('chmod', ['644', file]);
  t.is(withCommon(directory, put), `part: wrote ${file}\nyes\npart: changes: 1\n`);

  const other = path.join(directory, 'other');
  withCommon(directory, `echo old >${other}; put ${other} <<<new; put ${other} <<<newer`);
  t.is(readFileSync(other, 'utf8'), 'newer\n');
  t.is(readFileSync(path.join(directory, 'state/before', other), 'utf8'), 'old\n');
  const remembered = readFileSync(path.join(directory, 'state/files'), 'utf8');
  t.is(remembered, `${file}\n${other}\n`);
});

test('a variable that is not set is named, before anything is done', (t) => {
  if (!requireRoot(t)) return;
  const directory = folder(t);
  mkdirSync(directory, { recursive: true });
  const error = t.throws(() => withCommon(directory, 'ONE=1 need ONE TWO'));
  t.regex(error?.message ?? '', /part: the variable TWO is not set/);
});
