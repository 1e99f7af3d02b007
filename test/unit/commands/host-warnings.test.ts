// SPDX-License-Identifier: Apache-2.0
// Settings that swallow packets from outside are named, each only where it matters.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type HostFacts, hostWarnings } from '../../../agent/commands/host-warnings.ts';
import type { IpAddress } from '../../../agent/model/address.ts';

const FACTS: HostFacts = {
  families: ['IPv4', 'IPv6'],
  backends: ['10.244.1.2', 'fd00:10:244:1::2'] as IpAddress[],
  ownAddresses: ['192.0.2.11', '2001:db8::11'] as IpAddress[],
  masqueradePorts: { first: 50_000, count: 1000 },
};

function procWith(t: ExecutionContext, sysctls: Readonly<Record<string, string>>): string {
  const proc = mkdtempSync(path.join(os.tmpdir(), 'proc-'));
  t.teardown(() => rmSync(proc, { recursive: true }));
  for (const [name, text] of Object.entries(sysctls)) {
    const file = path.join(proc, 'sys', ...name.split('.'));
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, `${text}\n`);
  }
  return proc;
}

const FINE = {
  'net.ipv4.ip_forward': '1',
  'net.ipv6.conf.all.forwarding': '1',
  'net.ipv4.ip_local_reserved_ports': '8080,49152-65535',
};

/** The sysctls that are named. */
function named(t: ExecutionContext, facts: HostFacts, sysctls: Readonly<Record<string, string>>) {
  return hostWarnings(facts, procWith(t, sysctls)).map((text) => /net\.\S+\w/.exec(text)?.[0]);
}

test('nothing to tell', (t) => {
  t.deepEqual(named(t, FACTS, FINE), []);
});

test('packets that the node does not send on', (t) => {
  const off = { ...FINE, 'net.ipv4.ip_forward': '0', 'net.ipv6.conf.all.forwarding': '0' };
  t.deepEqual(named(t, FACTS, off), ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding']);
  t.deepEqual(named(t, { ...FACTS, families: ['IPv6'] }, off), ['net.ipv6.conf.all.forwarding']);
  const backends = ['127.0.0.1', '192.0.2.11', '::1', 'fd00:10:244:1::2'] as IpAddress[];
  t.deepEqual(named(t, { ...FACTS, backends }, off), ['net.ipv6.conf.all.forwarding']);
});

test('a kernel without IPv6', (t) => {
  const { 'net.ipv6.conf.all.forwarding': _, ...withoutIpv6 } = FINE;
  t.deepEqual(named(t, FACTS, withoutIpv6), []);
});

test('ports that are not reserved, where packets are masqueraded', (t) => {
  const some = { ...FINE, 'net.ipv4.ip_local_reserved_ports': '50000-50998' };
  t.deepEqual(named(t, FACTS, some), ['net.ipv4.ip_local_reserved_ports']);
  t.deepEqual(named(t, { ...FACTS, families: [] }, some), []);
  t.deepEqual(named(t, { ...FACTS, masqueradePorts: undefined }, some), []);
});
