// SPDX-License-Identifier: Apache-2.0

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { controlPlaneOf, type Machine, readInventory, workersOf } from './inventory.ts';
import { environmentOf } from './network-plan.ts';

const CP: Machine = machine('cp', 10, 'control-plane');
const W1: Machine = machine('w1', 11, 'worker');

function machine(name: string, number: number, role: Machine['role']): Machine {
  return {
    name,
    role,
    address: { ipv4: `192.168.56.${number}`, ipv6: `fd00:192:168:56::${number}` },
    ssh: { host: '127.0.0.1', port: 2200 + number, user: 'vagrant' },
  };
}

function fileOf(t: ExecutionContext, content: unknown): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'inventory-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = path.join(directory, 'inventory.json');
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}

function messageFor(t: ExecutionContext, content: unknown): string {
  return t.throws(() => readInventory(fileOf(t, content)))?.message ?? '';
}

test('machines are read, with the paths of their keys made absolute', (t) => {
  const withKey = { ...W1, ssh: { ...W1.ssh, identityFile: 'keys/w1' } };
  const file = fileOf(t, { machines: [CP, withKey] });
  const inventory = readInventory(file);
  t.deepEqual(controlPlaneOf(inventory), CP);
  const identityFile = path.join(path.dirname(file), 'keys/w1');
  t.deepEqual(workersOf(inventory), [{ ...W1, ssh: { ...W1.ssh, identityFile } }]);
});

test('what is wrong is said with its place and its value', (t) => {
  const bad = { ...W1, address: { ...W1.address, ipv6: 'fd00:x' }, rool: 1 };
  const message = messageFor(t, { machines: [CP, { ...bad, ssh: { ...W1.ssh, port: '22' } }] });
  t.true(message.includes('machines[1].address.ipv6 must match format "ipv6", not "fd00:x"'));
  t.true(message.includes('machines[1] has an unknown property: rool'));
  t.true(message.includes('machines[1].ssh.port must be integer, not "22"'));
});

test('no option of ssh comes in as a host, a user or a name', (t) => {
  const hosts = { ...W1, ssh: { ...W1.ssh, host: '-oProxyCommand=x', user: '-x' } };
  const message = messageFor(t, { machines: [CP, { ...hosts, name: '-w' }] });
  for (const place of ['ssh.host', 'ssh.user', 'name']) {
    t.true(message.includes(`machines[1].${place} must match pattern`), place);
  }
});

test('there is one control plane, and nothing twice', (t) => {
  t.regex(messageFor(t, { machines: [W1] }), /0 control planes/);
  t.regex(messageFor(t, { machines: [CP, { ...CP, name: 'other' }] }), /2 control planes/);
  t.regex(messageFor(t, { machines: [CP, { ...W1, name: 'cp' }] }), /2 machines have the name cp/);
  const same = { ...W1, address: { ...W1.address, ipv4: CP.address.ipv4 } };
  t.regex(
    messageFor(t, { machines: [CP, same] }),
    /2 machines have the address.ipv4 192.168.56.10/,
  );
});

test('a file that is not there, or no JSON, is named', (t) => {
  t.regex(messageFor(t, '{ machines'), /inventory\.json cannot be read: .*JSON/);
  const missing = t.throws(() => readInventory('/nonexistent/inventory.json'));
  t.regex(missing?.message ?? '', /^the inventory \/nonexistent\/inventory\.json cannot be read/);
});

test('a machine is told its own ranges, and the ways to those of the others', (t) => {
  const environment = environmentOf(W1, { machines: [CP, W1, machine('w2', 12, 'worker')] });
  t.like(environment, {
    NODE_NAME: 'w1',
    NODE_IPV4: '192.168.56.11',
    NODE_IPV6: 'fd00:192:168:56::11',
    CONTROL_PLANE_IPV4: '192.168.56.10',
    POD_IPV4: '10.244.11.0/24',
    POD_IPV6: 'fd00:10:244:11::/64',
    PEERS:
      '10.244.10.0/24=192.168.56.10 fd00:10:244:10::/64=fd00:192:168:56::10 ' +
      '10.244.12.0/24=192.168.56.12 fd00:10:244:12::/64=fd00:192:168:56::12',
  });
});

test('machines whose ranges of pods would be the same are refused', (t) => {
  const same = { ...W1, address: { ipv4: '10.0.0.10', ipv6: 'fd00::1' } };
  t.throws(() => environmentOf(same, { machines: [CP, same] }), {
    message: 'w1 and cp both have IPv4 addresses that end in 10',
  });
});
