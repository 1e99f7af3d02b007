// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import fc from 'fast-check';
import {
  type IptablesTable,
  parseTables,
  planRemoval,
} from '../../../agent/plan/kube-proxy-chains.ts';
import { iptablesScript, kubeletScript } from '../../lab/kube-proxy-rules/iptables-rules.ts';

const SERVICE = {
  name: 'default/web:http',
  protocol: 'tcp',
  clusterIP: '10.96.0.10',
  port: 80,
  nodePort: 30080,
  externalIPs: ['203.0.113.1'],
  backends: [{ address: '10.244.1.2', port: 8080 }],
} as const;
const CONTEXT = { family: 'IPv4', clusterCidr: '10.244.0.0/16' } as const;

/** As iptables-save prints it. */
const nat = (...lines: readonly string[]) => `*nat\n${lines.join('\n')}\nCOMMIT\n`;
const plan = (table: IptablesTable, text: string) =>
  planRemoval(table, parseTables(text).get(table));
const linesOf = (script: string | undefined) => (script ?? '').trimEnd().split('\n');

test('all of kube-proxy’s goes, and nothing of kubelet’s', (t) => {
  const text = iptablesScript([SERVICE], CONTEXT);
  for (const table of ['nat', 'filter', 'mangle'] as const) {
    const { chains = [], rules = [] } = parseTables(text).get(table) ?? {};
    const removal = plan(table, text);
    t.is(removal?.chains, chains.length, table);
    t.is(removal?.rules, rules.length, table);
    t.deepEqual(removal?.kept, []);
    t.is(plan(table, kubeletScript('IPv4')), undefined, table);
  }
});

test('chains are emptied, jumps to them removed, then they go, in one transaction', (t) => {
  const text = nat(
    ':PREROUTING ACCEPT [12:720]',
    ':KUBE-SERVICES - [0:0]',
    ':KUBE-SEP-ABC - [0:0]',
    '-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
    '-A PREROUTING -j CNI-HOSTPORT-DNAT',
    '-A KUBE-SERVICES -d 10.96.0.10/32 -p tcp -j KUBE-SEP-ABC',
    '-A KUBE-SEP-ABC -p tcp -j DNAT --to-destination 10.244.1.2:8080',
  );
  const removal = plan('nat', text);
  t.deepEqual(linesOf(removal?.script), [
    '*nat',
    ':KUBE-SERVICES - [0:0]',
    ':KUBE-SEP-ABC - [0:0]',
    '-D PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
    '-X KUBE-SERVICES',
    '-X KUBE-SEP-ABC',
    'COMMIT',
  ]);
  t.is(removal?.rules, 3);
});

test('counters before rules are no part of them', (t) => {
  const text = nat(
    ':KUBE-SERVICES - [0:0]',
    '[5:300] -A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
  );
  t.true(
    linesOf(plan('nat', text)?.script).some((line) => line.startsWith('-D OUTPUT -m comment')),
  );
});

test('what rules of others lead to stays, with all that it leads to', (t) => {
  const text = nat(
    ':KUBE-SERVICES - [0:0]',
    ':KUBE-MARK-MASQ - [0:0]',
    ':KUBE-POSTROUTING - [0:0]',
    '-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
    '-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING',
    '-A OTHERS -p tcp -m tcp --dport 8443 -j KUBE-MARK-MASQ',
    '-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000',
    '-A KUBE-POSTROUTING -j MASQUERADE --random-fully',
  );
  const removal = plan('nat', text);
  t.deepEqual(linesOf(removal?.script), [
    '*nat',
    ':KUBE-SERVICES - [0:0]',
    '-D PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
    '-X KUBE-SERVICES',
    'COMMIT',
  ]);
  t.deepEqual(
    removal?.kept.map(({ chain }) => chain),
    ['KUBE-MARK-MASQ', 'KUBE-POSTROUTING'],
  );
  t.regex(removal?.kept[0]?.rule ?? '', /^-A OTHERS .*8443/);
});

test('a target is no word in a comment', (t) => {
  const text = nat(
    ':KUBE-SERVICES - [0:0]',
    '-A OTHERS -m comment --comment "see \\" -j KUBE-SERVICES" -j ACCEPT',
  );
  t.deepEqual(plan('nat', text)?.kept, []);
});

test('chains of ipvs and of older releases are kube-proxy’s, too', (t) => {
  const chains = [
    'KUBE-LOAD-BALANCER',
    'KUBE-NODE-PORT',
    'KUBE-XLB-ABC',
    'KUBE-FW-ABC',
    'KUBE-SVL-ABC',
  ];
  t.is(plan('nat', nat(...chains.map((chain) => `:${chain} - [0:0]`)))?.chains, chains.length);
});

test('a policy that drops what is forwarded is told', (t) => {
  const filter = (policy: string) =>
    plan('filter', `*filter\n:FORWARD ${policy} [0:0]\n:KUBE-FORWARD - [0:0]\nCOMMIT\n`);
  t.true(filter('DROP')?.forwardDrops);
  t.false(filter('ACCEPT')?.forwardDrops);
});

test('names of services’ chains mean something in table nat alone', (t) => {
  t.is(plan('filter', '*filter\n:KUBE-SVC-ABC - [0:0]\nCOMMIT\n'), undefined);
});

test('whatever is printed, something comes of it', (t) => {
  const line = fc.oneof(
    fc.string(),
    fc.constantFrom('*nat', ':KUBE-SERVICES - [0:0]', '-A', '-A X -j', 'COMMIT'),
  );
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      plan('nat', lines.join('\n'));
    }),
  );
  t.pass();
});

test('forty thousand chains in a row that a rule of somebody else leads to', (t) => {
  const count = 40_000;
  const name = (i: number) => `KUBE-SVC-${i}`;
  const numbers = Array.from({ length: count }, (_, i) => i);
  const text = nat(
    ':PREROUTING ACCEPT [0:0]',
    ...numbers.map((i) => `:${name(i)} - [0:0]`),
    `-A PREROUTING -j ${name(0)}`,
    ...numbers.slice(1).map((i) => `-A ${name(i - 1)} -j ${name(i)}`),
  );
  t.is(plan('nat', text), undefined, 'all of them stay');
});
