// SPDX-License-Identifier: Apache-2.0
// The three numbers that a reader takes along: what a connection costs, how soon a change is live, how soon a node is
// up. kube-proxy's best mode stands beside each. Pure.

import type { ArmName, ProxyName, Result } from '../result.ts';
import { findLatency, KUBE_PROXIES, type Measured, modeOf, ofArm, ofProxy } from './lookup.ts';
import type { Headline } from './page.ts';
import { megabytes, services, withUnit } from './units.ts';

export function headlines(result: Result): Headline[] {
  return [connectHeadline(result), changeHeadline(result), startHeadline(result)];
}

function connectHeadline(result: Measured): Headline {
  const latency = findLatency(result, { kind: 'connect', path: 'clusterIP', family: 'ipv4' });
  const size = latency ? ` among ${services(latency.services)}` : '';
  return headline(
    result,
    `connect() through a ClusterIP${size}, median against no proxy`,
    (arm) => ofArm(latency, arm)?.ratio.ofMedians,
    (value) => withUnit(value, 'ratio'),
  );
}

function changeHeadline(result: Measured): Headline {
  const find = (arm: ProxyName) => ofProxy(result.changes, arm, ({ perSecond }) => perSecond === 0);
  const size = sizeText(find('signalbox')?.services);
  return headline(
    result,
    `a change of endpoints is live${size}, median`,
    (arm) => find(arm)?.landedMs.p50,
    (value) => withUnit(value, 'ms'),
  );
}

/** Memory stands in where no start was measured. */
function startHeadline(result: Measured): Headline {
  const find = (arm: ProxyName) => ofProxy(result.starts, arm, ({ kind }) => kind === 'cold');
  const cold = find('signalbox');
  if (cold !== undefined || result.costs.length === 0) {
    return headline(
      result,
      `cold start until the last Service works${sizeText(cold?.services)}, median`,
      (arm) => find(arm)?.seconds.p50,
      (value) => withUnit(value, 's'),
    );
  }
  return headline(
    result,
    `memory of the process, RSS${sizeText(ofProxy(result.costs, 'signalbox')?.services)}`,
    (arm) => ofProxy(result.costs, arm)?.rssMiB,
    (mib) => withUnit(megabytes(mib), 'MB', 0),
  );
}

function headline(
  result: Measured,
  what: string,
  of: (arm: ProxyName) => number | undefined,
  text: (value: number) => string,
): Headline {
  const ours = of('signalbox');
  const best = KUBE_PROXIES.flatMap((arm): { arm: ArmName; value: number }[] => {
    const value = of(arm);
    return value === undefined ? [] : [{ arm, value }];
  }).toSorted((a, b) => a.value - b.value)[0];
  return {
    what,
    signalbox: ours === undefined ? 'not measured' : text(ours),
    kubeProxy:
      best === undefined
        ? 'kube-proxy: not measured'
        : `${isStandIn(result, best.arm) ? 'in kube-proxy’s place, ' : 'kube-proxy at its best, '}${modeOf(result, best.arm)}: ${text(best.value)}`,
  };
}

function isStandIn({ arms }: Measured, name: ArmName): boolean {
  return arms.some((arm) => arm.name === name && arm.isStandIn);
}

function sizeText(count: number | undefined): string {
  return count === undefined ? '' : `, ${services(count)}`;
}
