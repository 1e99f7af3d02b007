// SPDX-License-Identifier: Apache-2.0
// `signalbox flows` and `signalbox affinity` as people run them, on pinned tables without an agent.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { servicePortName } from '../../../agent/reconcile/entries.ts';
import { FlowFlags } from '../../../agent/sys/layout.gen.ts';
import { openPacketTables } from '../../../agent/sys/packet-tables.ts';
import { flowEntries, ipPort } from '../../helpers/flows.ts';
import { address } from '../../helpers/objects.ts';
import { openRealTables } from '../../helpers/real-tables.ts';
import { requireRoot } from '../../helpers/requirements.ts';

const MAIN = path.join(import.meta.dirname, '../../../agent/main.ts');

interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(args: readonly string[], nodeFlags: readonly string[] = []): Promise<Run> {
  const child = spawn(process.execPath, [...nodeFlags, MAIN, ...args], { stdio: 'pipe' });
  child.stdin.end();
  const [stdout, stderr, [code]] = await Promise.all([
    child.stdout.setEncoding('utf8').toArray(),
    child.stderr.setEncoding('utf8').toArray(),
    once(child, 'close'),
  ]);
  return { code, stdout: stdout.join(''), stderr: stderr.join('') };
}

/** Tables with the name of service port 1, and those that the programs write. */
function open(t: ExecutionContext) {
  const { pins, servicePorts } = openRealTables(t);
  const quote = { service: 'default/quote', portName: 'http', protocol: 'TCP' } as const;
  t.deepEqual(servicePorts.put([[1, servicePortName(quote)]]), []);
  const tables = openPacketTables(pins);
  t.teardown(() => tables.close());
  return { ...tables, servicePorts, bpffs: pins.directory };
}

const flow = (client: string) => ({
  client,
  dialled: '192.168.0.1 30080',
  backend: '10.244.1.7 8080',
  servicePortId: 1,
  flags: FlowFlags.CONFIRMED,
  usedNs: process.hrtime.bigint(),
});

test('flows: a table and its count; what is asked for alone; JSON', async (t) => {
  if (!requireRoot(t)) return;
  const { flows, bpffs } = open(t);
  const entries = ['192.0.2.9 40000', '192.0.2.10 40000'].map(flow).flatMap(flowEntries);
  t.deepEqual(flows.put(entries), []);
  const all = await run(['flows', '--bpffs', bpffs]);
  t.deepEqual([all.code, all.stderr], [0, '']);
  const lines = all.stdout.trim().split('\n');
  t.is(lines.length, 4);
  t.regex(
    lines[0] ?? '',
    /^SERVICE PORT +PROTOCOL +CLIENT +DIALLED +BACKEND +SEEN AS +STATE +IDLE$/,
  );
  t.regex(
    lines[1] ?? '',
    /^default\/quote:http +TCP +192.0.2.10:40000 +192.168.0.1:30080 +10.244.1.7:8080 +- +established +\d+s$/,
  );
  t.is(lines[3], `2 flows; 4 of ${flows.raw.maxEntries} entries in use`);

  const one = await run(['flows', '--bpffs', bpffs, '--client', '192.0.2.9', '-o', 'json']);
  t.like(JSON.parse(one.stdout)[0], {
    service: 'default/quote',
    servicePort: 'http',
    client: { address: '192.0.2.9', port: 40000 },
    state: 'established',
    entries: ['request', 'reply'],
  });
  t.is(JSON.parse(one.stdout).length, 1);
  const none = await run(['flows', '--bpffs', bpffs, '--state', 'closing', '-o', 'json']);
  t.deepEqual(JSON.parse(none.stdout), []);
});

test('flows: a full table is printed in little memory, as far as it is read', async (t) => {
  if (!requireRoot(t)) return;
  const { flows, bpffs } = open(t);
  const entries = Array.from({ length: 60_000 }, (_, i) => flow(`10.9.${i >> 8}.${i & 255} 40000`));
  for (let i = 0; i < entries.length; i += 1000)
    t.deepEqual(flows.put(entries.slice(i, i + 1000).flatMap(flowEntries)), []);
  const args = ['flows', '--bpffs', bpffs];
  const all = await run(args, ['--max-old-space-size=160']);
  t.deepEqual([all.code, all.stderr], [0, '']);
  const lines = all.stdout.trim().split('\n');
  t.true(lines.length > 50_000, `${lines.length} lines`);
  t.regex(lines.at(-1) ?? '', /^\d+ flows; \d+ of \d+ entries in use$/);

  const child = spawn(process.execPath, [MAIN, ...args], { stdio: 'pipe' });
  const errors = child.stderr.setEncoding('utf8').toArray();
  child.stdout.once('data', () => child.stdout.destroy());
  t.deepEqual(await once(child, 'close'), [0, null]);
  t.deepEqual(await errors, []);
});

test('affinity: a table, one Service alone, JSON', async (t) => {
  if (!requireRoot(t)) return;
  const { affinities, bpffs } = open(t);
  const value = { backend: ipPort('10.244.1.7 8080'), lastUsedNs: process.hrtime.bigint() };
  t.deepEqual(
    affinities.put([
      [{ netnsCookie: 0n, source: address('192.0.2.9'), servicePortId: 1 }, value],
      [{ netnsCookie: 4711n, source: address('0.0.0.0'), servicePortId: 2 }, value],
    ]),
    [],
  );
  const all = await run(['affinity', '--bpffs', bpffs]);
  t.deepEqual(all, {
    code: 0,
    stdout: `${[
      'CLIENT           SERVICE PORT         BACKEND           SERVES   EXPIRES IN',
      '192.0.2.9        default/quote:http   10.244.1.7:8080   no       - (no session affinity)',
      'pod netns 4711   id 2                 10.244.1.7:8080   no       - (no session affinity)',
    ].join('\n')}\n`,
    stderr: '',
  });
  const one = await run(['affinity', 'quote', '--bpffs', bpffs, '-o', 'json']);
  t.is(JSON.parse(one.stdout).length, 1);
  t.like(JSON.parse(one.stdout)[0], { client: { address: '192.0.2.9' }, serves: 'no' });
});

test('names cannot act upon a terminal', async (t) => {
  if (!requireRoot(t)) return;
  const { flows, servicePorts, bpffs } = open(t);
  const name = { namespaceName: 'a\u009b', serviceName: 'b\u001b[2J', portName: '', protocol: 6 };
  t.deepEqual(servicePorts.put([[1, name]]), []);
  t.deepEqual(flows.put(flowEntries(flow('192.0.2.9 40000'))), []);
  const table = await run(['flows', '--bpffs', bpffs]);
  t.true(table.stdout.includes('a\\x9b/b\\x1b[2J'), table.stdout);
  const json = await run(['flows', '--bpffs', bpffs, '-o', 'json']);
  t.is(JSON.parse(json.stdout)[0].service, 'a\u009b/b\u001b[2J');
  for (const { stdout } of [table, json]) t.notRegex(stdout, /[^\n\x20-\x7e]/);
});

const refuses = test.macro({
  async exec(t, args: readonly string[], says: RegExp) {
    const ran = await run(args);
    t.deepEqual([ran.code, ran.stdout], [2, '']);
    t.regex(ran.stderr, says);
  },
  title: (_, args) => `refuses ${(args as readonly string[]).join(' ')}`,
});
test(refuses, ['flows', '--client', 'me'], /^signalbox: --client me: not an IP address, as /);
test(refuses, ['flows', '--backend', '10.0.0.1:80'], /^signalbox: --backend 10.0.0.1:80: not an /);
test(refuses, ['flows', '--state', 'odd'], /Allowed choices are opening, established, closing/);
test(refuses, ['affinity', 'one', 'two'], /too many arguments/);

for (const command of ['flows', 'affinity']) {
  test(`${command} --help says what the columns are`, async (t) => {
    const { code, stdout } = await run([command, '--help']);
    t.is(code, 0);
    t.regex(stdout, new RegExp(`Examples:\n  signalbox ${command}`));
  });
}
