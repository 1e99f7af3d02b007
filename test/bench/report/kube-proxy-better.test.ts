// SPDX-License-Identifier: Apache-2.0
// What kube-proxy does better is told, whatever it is; what may be chance is not.

import test from 'ava';
import type { ArmName, Result } from '../result.ts';
import { emptyResult, latency, plausibleResult, ratio } from './fixtures.ts';
import { kubeProxyBetter } from './kube-proxy-better.ts';
import { markdown } from './markdown.ts';

const ARMS = ['direct', 'directAgain', 'signalbox', 'iptables'] as const;

test('a median that is better beyond the A/A noise is told, with by how much', (t) => {
  const better = kubeProxyBetter(connects({ signalbox: 1.25, iptables: 1.2, directAgain: 1.01 }));
  t.deepEqual(
    better.filter(({ what }) => what.endsWith('median')),
    [
      {
        what: 'ClusterIP, connect(), IPv4, 10 Services, median',
        by: 'kube-proxy 1.36.3, iptables-legacy',
        signalbox: '1.25 ×',
        kubeProxy: '1.20 ×',
        difference: '−4.0 %',
      },
    ],
  );
});

test('one that is within the noise is not, nor one that is worse', (t) => {
  const medians = (result: Result) =>
    kubeProxyBetter(result).filter(({ what }) => what.endsWith('median'));
  t.deepEqual(medians(connects({ signalbox: 1.25, iptables: 1.2, directAgain: 0.95 })), []);
  t.deepEqual(medians(connects({ signalbox: 1.2, iptables: 1.25, directAgain: 1 })), []);
});

test('p99 counts as well as medians do', (t) => {
  const result = connects({ signalbox: 1.02, iptables: 1.25, directAgain: 1 });
  const latencies = result.latencies.map((each) => ({
    ...each,
    arms: each.arms.map((taken) =>
      taken.arm === 'signalbox' ? { ...taken, us: { ...taken.us, p99: 9_999 } } : taken,
    ),
  }));
  const [first] = kubeProxyBetter({ ...result, latencies });
  t.regex(first?.what ?? '', /p99$/);
});

test('of memory, which has no A/A, any difference is told; of idle CPU none that no clock shows', (t) => {
  const { costs } = plausibleResult();
  const result = {
    ...emptyResult(),
    arms: plausibleResult().arms,
    costs: costs.map((cost) =>
      cost.proxy === 'signalbox' ? { ...cost, idlePercent: 0.05, kernelMiB: 13.91 } : cost,
    ),
  };
  t.deepEqual(
    kubeProxyBetter(result).map(({ what, by }) => [what, by]),
    [['memory in the kernel, 10,000 Services', 'kube-proxy 1.36.3, nftables']],
  );
});

test('the report has them; or says that there are none; or that there was nobody to compare with', (t) => {
  const section = (result: Result) =>
    markdown(result).split('## Where kube-proxy is better')[1]?.split('\n## ')[0] ?? '';
  t.regex(section(connects({ signalbox: 1.25, iptables: 1.2, directAgain: 1 })), /\| *−4\.0 %/);
  t.regex(
    section(connects({ signalbox: 1.02, iptables: 1.25, directAgain: 1 })),
    /Nowhere in this run/,
  );
  t.regex(section(emptyResult()), /had no kube-proxy/);
  t.notRegex(section(emptyResult()), /Nowhere/);
});

/** Of connect() at one size alone; p90 and p99 go with the medians. */
function connects(medians: Partial<Record<ArmName, number>>): Result {
  const whole = latency(ARMS, 'connect', 'clusterIP', 'ipv4', 10);
  const direct = whole.arms[0]?.us;
  if (direct === undefined) throw new Error('no direct');
  return {
    ...emptyResult(),
    arms: plausibleResult().arms,
    latencies: [
      {
        ...whole,
        arms: whole.arms.map(({ past: _, ...each }) => {
          const factor = medians[each.arm] ?? 1;
          const { p50, p90, p99 } = direct;
          const us = { ...direct, p50: p50 * factor, p90: p90 * factor, p99: p99 * factor };
          return { ...each, us, ratio: ratio(factor) };
        }),
      },
    ],
  };
}
