// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import { formatDuration, parseDuration } from '../../../agent/commands/duration.ts';
import { kubeProxyLines } from '../../../agent/commands/kube-proxy-lines.ts';

const STATUS = { rules: '', hasIpvs: false, connections: {}, problems: [] };

test('nothing of kube-proxy is nothing to say', (t) => {
  t.deepEqual(kubeProxyLines(undefined), []);
});

test('rules come with the next step', (t) => {
  const [first, second] = kubeProxyLines({
    ...STATUS,
    rules: 'nftables (IPv4)',
    connections: { TCP: 2 },
  });
  t.regex(first ?? '', /nftables \(IPv4\).*signalbox cleanup --kube-proxy/);
  t.regex(second ?? '', /go on: 2 TCP$/);
});

test('connections that are left need nothing', (t) => {
  const lines = kubeProxyLines({ ...STATUS, connections: { TCP: 2, UDP: 1 } });
  t.deepEqual(lines.length, 1);
  t.regex(lines[0] ?? '', /2 TCP, 1 UDP; nothing to do/);
});

test('from ipvs nothing is taken over', (t) => {
  const [first] = kubeProxyLines({ ...STATUS, hasIpvs: true, rules: 'iptables-nft (IPv4)' });
  t.regex(first ?? '', /IPVS: drain the node/);
});

test('problems are told', (t) => {
  t.deepEqual(kubeProxyLines({ ...STATUS, problems: ['no nft'] }), ['no nft']);
});

test('durations are read as they are written', (t) => {
  for (const seconds of [1, 59, 60, 3600, 90, 86_400 + 3600]) {
    t.is(parseDuration(formatDuration(seconds)), seconds);
  }
  for (const text of ['', '10', 'm', '1.5m', '10 m', '-1s'])
    t.is(parseDuration(text), undefined, text);
});
