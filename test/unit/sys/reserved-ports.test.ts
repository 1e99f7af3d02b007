// SPDX-License-Identifier: Apache-2.0
// The list of reserved ports, written as the kernel takes it: in a folder that stands for its proc file system, and
// in a network namespace's own.

import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { PortRange } from '../../../agent/model/port-ranges.ts';
import { releasePorts, reservePorts } from '../../../agent/sys/reserved-ports.ts';
import type { Logger } from '../../../agent/telemetry/log.ts';
import { requireRoot } from '../../helpers/requirements.ts';
import { runCommand } from '../../lab/run-command.ts';

const PORTS: PortRange = { first: 49152, count: 16384 };
const MODULE = path.join(import.meta.dirname, '../../../agent/sys/reserved-ports.ts');

function newProc(t: ExecutionContext, reserved: string, local = '32768\t60999') {
  const proc = mkdtempSync(path.join(tmpdir(), 'signalbox-proc-'));
  t.teardown(() => rmSync(proc, { recursive: true }));
  const folder = path.join(proc, 'sys/net/ipv4');
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, 'ip_local_reserved_ports');
  writeFileSync(file, `${reserved}\n`);
  writeFileSync(path.join(folder, 'ip_local_port_range'), `${local}\n`);
  return { proc, file, read: () => readFileSync(file, 'utf8').trim() };
}

/** `warn cannot ...` */
function newLog() {
  const lines: string[] = [];
  const note = (level: string) => (fields: unknown, message: string) =>
    void lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  return { lines, log: { info: note('info'), warn: note('warn') } as unknown as Logger };
}

test('they are added to what others have reserved, once, and taken out again', (t) => {
  const { proc, read } = newProc(t, '8080,9148-9150');
  const { lines, log } = newLog();
  reservePorts(PORTS, proc, log);
  t.is(read(), '8080,9148-9150,49152-65535');
  reservePorts(PORTS, proc, log);
  t.deepEqual(
    lines.map((line) => line.split(' ')[0]),
    ['info'],
  );
  t.true(releasePorts(PORTS, proc));
  t.is(read(), '8080,9148-9150');
  t.false(releasePorts(PORTS, proc));
});

test('ports of which some are not reserved are not ours to release', (t) => {
  const { proc, read } = newProc(t, '49152-60000');
  t.false(releasePorts(PORTS, proc));
  t.is(read(), '49152-60000');
});

test('a list that cannot be written is told with what to do, and ends nothing', (t) => {
  const { proc, file } = newProc(t, '');
  rmSync(file);
  mkdirSync(file);
  chmodSync(file, 0o500);
  const { lines, log } = newLog();
  reservePorts(PORTS, proc, log);
  t.is(lines.length, 1);
  t.regex(lines[0] ?? '', /^warn cannot reserve .*EISDIR.*add 49152-65535 to the sysctl net\.ipv4/);
});

test('few ports left for the node are told', (t) => {
  const of = (reserved: string, local: string) => {
    const { proc } = newProc(t, reserved, local);
    const { lines, log } = newLog();
    reservePorts(PORTS, proc, log);
    return lines.filter((line) => line.startsWith('warn'));
  };
  t.deepEqual(of('', '32768\t60999'), []);
  t.deepEqual(of('', '45056 60999'), []);
  t.regex(of('', '45057 60999')[0] ?? '', /^warn few ports are left .*"left":4095.*45057-60999/);
  t.is(of('32768-45056', '32768 60999').length, 1);
});

test.serial('the kernel takes the list, and an empty one too', async (t) => {
  if (!requireRoot(t)) return;
  // In a network namespace of its own: the machine's is left alone.
  const script = `
    import { readFileSync } from 'node:fs';
    import { releasePorts, reservePorts } from ${JSON.stringify(MODULE)};
    const log = { info() {}, warn(fields) { console.log('warn', JSON.stringify(fields)); } };
    const show = () => console.log(readFileSync('/proc/sys/net/ipv4/ip_local_reserved_ports', 'utf8').trim() || 'none');
    show();
    reservePorts({ first: 49152, count: 16384 }, '/proc', log);
    show();
    reservePorts({ first: 40000, count: 1 }, '/proc', log);
    show();
    releasePorts({ first: 49152, count: 16384 });
    releasePorts({ first: 40000, count: 1 });
    show();
  `;
  const stdout = await runCommand([
    'unshare',
    '--net',
    process.execPath,
    '--input-type=module-typescript',
    '--eval',
    script,
  ]);
  t.deepEqual(String(stdout).trim().split('\n'), [
    'none',
    '49152-65535',
    '40000,49152-65535',
    'none',
  ]);
});
