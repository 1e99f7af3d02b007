// SPDX-License-Identifier: Apache-2.0
// Numbers of the host, in folders that stand for its /proc and /sys: only what is different is written, and what cannot
// be written is told. The kernel's own are in test/netns/configuration.test.ts.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { applyHostSettings } from '../../../agent/sys/host-settings.ts';
import type { Logger } from '../../../agent/telemetry/log.ts';

const MAX = 'net.netfilter.nf_conntrack_max';
const TIMEOUT = 'net.netfilter.nf_conntrack_udp_timeout';

function newHost(t: ExecutionContext, files: Readonly<Record<string, string>>) {
  const root = mkdtempSync(path.join(tmpdir(), 'signalbox-host-'));
  t.teardown(() => rmSync(root, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    writeFileSync(path.join(root, name), text);
  }
  const lines: string[] = [];
  const note = (level: string) => (fields: { setting?: string }, message: string) =>
    void lines.push([level, message, fields.setting].filter(Boolean).join(' '));
  const log = { info: note('info'), warn: note('warn') } as unknown as Logger;
  return {
    lines,
    read: (name: string) => readFileSync(path.join(root, name), 'utf8'),
    apply: (...plan: Parameters<typeof applyHostSettings>[0]) =>
      applyHostSettings(plan, { proc: path.join(root, 'proc'), sys: path.join(root, 'sys') }, log),
  };
}

const HASH = 'sys/module/nf_conntrack/parameters/hashsize';
const file = (name: string) => `proc/sys/${name.replaceAll('.', '/')}`;

test('what is different is written, and what is to be raised is never lowered', (t) => {
  const host = newHost(t, { [file(MAX)]: '1000\n', [file(TIMEOUT)]: '30\n', [HASH]: '4000\n' });
  const problems = host.apply(
    { name: MAX, value: 2000, raiseOnly: true },
    { name: 'hashsize', value: 500, raiseOnly: true },
    { name: TIMEOUT, value: 20, raiseOnly: false },
  );
  t.deepEqual(problems, []);
  t.is(host.read(file(MAX)), '2000');
  t.is(host.read(HASH), '4000\n');
  t.is(host.read(file(TIMEOUT)), '20');
  t.deepEqual(host.lines, [
    `info wrote a setting of the host ${MAX}`,
    `info wrote a setting of the host ${TIMEOUT}`,
  ]);
});

test('what is as it should be is left alone', (t) => {
  const host = newHost(t, { [file(TIMEOUT)]: '30\n' });
  t.deepEqual(host.apply({ name: TIMEOUT, value: 30, raiseOnly: false }), []);
  t.is(host.read(file(TIMEOUT)), '30\n');
  t.deepEqual(host.lines, []);
});

test('what cannot be written is told, and the rest goes on', (t) => {
  const host = newHost(t, { [file(TIMEOUT)]: '30\n' });
  const [problem = '', ...others] = host.apply(
    { name: MAX, value: 2000, raiseOnly: true },
    { name: TIMEOUT, value: 20, raiseOnly: false },
  );
  t.regex(problem, /^cannot write 2000 to .*nf_conntrack_max: ENOENT/);
  t.deepEqual(others, []);
  t.is(host.read(file(TIMEOUT)), '20');
  t.true(host.lines.includes(`warn cannot write a setting of the host ${MAX}`));
});

test('without conntrack there is one line, whatever was asked for', (t) => {
  const host = newHost(t, { 'proc/sys/net/ipv4/x': '' });
  t.deepEqual(
    host.apply(
      { name: MAX, value: 2000, raiseOnly: true },
      { name: TIMEOUT, value: 20, raiseOnly: false },
    ),
    [],
  );
  t.deepEqual(host.lines, ['info conntrack is not loaded: its settings are left alone']);
});
