// SPDX-License-Identifier: Apache-2.0
// The table that compares proxies: who was not there is named as well.

import test from 'ava';
import { proxyRows } from './proxies-report.ts';

const own = {
  name: 'signalbox',
  programmedMs: 812.4,
  rssMiB: 99.6,
  peakRssMiB: 140.2,
  anonymousMiB: 60,
  kernelMiB: 14.26,
};

test('a proxy, and what of the kernel is its own', (t) => {
  t.deepEqual(proxyRows([own], []), [['signalbox', '812 ms', '100', '140', '60', '14.3']]);
  const { kernelMiB: _, ...uncounted } = own;
  t.is(proxyRows([uncounted], [])[0]?.at(-1), 'not counted here');
});

test('without a binary the rows of kube-proxy say how to get them', (t) => {
  const rows = proxyRows(
    [own, { ...own, name: 'kube-proxy, nftables' }],
    ['nftables', 'iptables-legacy'],
  );
  t.is(rows.length, 3);
  t.deepEqual(rows[2]?.slice(0, 2), [
    'kube-proxy, iptables-legacy',
    'not measured: --kube-proxy FILE',
  ]);
});
