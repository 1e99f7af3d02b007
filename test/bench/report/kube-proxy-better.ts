// SPDX-License-Identifier: Apache-2.0
// Everything of a run in which kube-proxy, or what stands in for it, did better than Signalbox: computed from all
// figures, so that nobody chooses what is told. Pure.

import { figures } from './figures.ts';
import { KUBE_PROXIES, labelOf, type Measured } from './lookup.ts';
import { signedPercent, withUnit } from './units.ts';

export interface Better {
  readonly what: string;
  /** Label of the arm. */
  readonly by: string;
  readonly signalbox: string;
  readonly kubeProxy: string;
  /** Of Signalbox's, as a share: `−12.0 %`. */
  readonly difference: string;
}

/**
 * The A/A noise of a figure is allowed for; where a figure has none, every difference that could be seen is told.
 *
 * @returns the greatest difference first.
 */
export function kubeProxyBetter(result: Measured): Better[] {
  const all = Map.groupBy(figures(result), ({ what }) => what);
  return [...all]
    .flatMap(([what, alike]) => {
      const ours = alike.find(({ arm }) => arm === 'signalbox');
      if (ours === undefined) return [];
      return KUBE_PROXIES.flatMap((arm) => {
        const theirs = alike.find((figure) => figure.arm === arm);
        if (theirs === undefined) return [];
        const ahead = ours.value - theirs.value;
        const allowed = Math.max((ours.noise ?? 0) * ours.value, ours.resolution ?? 0);
        return ahead > allowed ? [{ what, ours, theirs, share: ahead / ours.value }] : [];
      });
    })
    .toSorted((a, b) => b.share - a.share)
    .map(({ what, ours, theirs, share }) => ({
      what,
      by: labelOf(result, theirs.arm),
      signalbox: withUnit(ours.value, ours.unit),
      kubeProxy: withUnit(theirs.value, theirs.unit),
      difference: signedPercent(-share),
    }));
}

/** Whether there is anything of kube-proxy to compare with. */
export function hasKubeProxy(result: Measured): boolean {
  return figures(result).some(({ arm }) => KUBE_PROXIES.some((name) => name === arm));
}
