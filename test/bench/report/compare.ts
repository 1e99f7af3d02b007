// SPDX-License-Identifier: Apache-2.0
// Two runs of the benchmark, figure by figure: what changed, and whether by more than chance. Pure.

import type { ArmName, Result } from '../result.ts';
import { type Figure, figures } from './figures.ts';
import { labelOf, noiseOfRun } from './lookup.ts';
import { signedPercent, withUnit } from './units.ts';

export interface Comparison {
  /** What makes the two hard to compare. */
  readonly warnings: readonly string[];
  readonly rows: readonly ComparedFigure[];
}

export interface ComparedFigure {
  readonly what: string;
  readonly arm: ArmName;
  readonly who: string;
  readonly a: number;
  readonly b: number;
  readonly aText: string;
  readonly bText: string;
  readonly changeText: string;
  /** `same` is anything that may be chance. Less is better of every figure. */
  readonly verdict: 'better' | 'worse' | 'same';
}

/** What is measured once in a run tells nothing of its own noise. */
const NOISE_OF_ONE = 0.1;

export const NOISE_RULE =
  'Beyond noise is what differs by more than the A/A noise of both runs together, and lies outside of all rounds of the other run. ' +
  `What has no rounds and no A/A of its own must differ by more than ${NOISE_OF_ONE * 100} %, what is counted by anything.`;

export function compare(a: Result, b: Result): Comparison {
  const ofB = new Map(figures(b).map((figure) => [keyOf(figure), figure]));
  const runNoise = (noiseOfRun(a) ?? 0) + (noiseOfRun(b) ?? 0);
  return {
    warnings: warnings(a, b),
    rows: figures(a).flatMap((before) => {
      const after = ofB.get(keyOf(before));
      return after === undefined
        ? []
        : [
            {
              what: before.what,
              arm: before.arm,
              who: labelOf(b, before.arm),
              a: before.value,
              b: after.value,
              aText: withUnit(before.value, before.unit),
              bText: withUnit(after.value, after.unit),
              changeText:
                before.value === after.value
                  ? '='
                  : signedPercent((after.value - before.value) / before.value),
              verdict: isBeyondNoise(before, after, runNoise)
                ? after.value < before.value
                  ? ('better' as const)
                  : ('worse' as const)
                : ('same' as const),
            },
          ];
    }),
  };
}

/** Anything of Signalbox that is worse beyond noise. */
export function worseOfSignalbox({ rows }: Comparison): readonly ComparedFigure[] {
  return rows.filter(({ arm, verdict }) => arm === 'signalbox' && verdict === 'worse');
}

function keyOf({ what, arm }: Figure): string {
  return `${arm} ${what}`;
}

function isBeyondNoise(a: Figure, b: Figure, runNoise: number): boolean {
  const difference = Math.abs(b.value - a.value);
  if (a.isExact) return difference > 0;
  const isInside = (value: number, rounds: Figure['rounds']) =>
    rounds !== undefined && value >= rounds.min && value <= rounds.max;
  if (isInside(a.value, b.rounds) || isInside(b.value, a.rounds)) return false;
  const resolution = Math.max(a.resolution ?? 0, b.resolution ?? 0);
  return difference > resolution && difference > allowedShare(a, b, runNoise) * Math.abs(a.value);
}

function allowedShare(a: Figure, b: Figure, runNoise: number): number {
  if (a.noise !== undefined || b.noise !== undefined) return (a.noise ?? 0) + (b.noise ?? 0);
  const isOne = ({ rounds }: Figure) => rounds === undefined || rounds.min === rounds.max;
  return isOne(a) || isOne(b) ? Math.max(runNoise, NOISE_OF_ONE) : runNoise;
}

function warnings(a: Result, b: Result): string[] {
  const kubeProxies = ({ arms }: Result) =>
    arms
      .filter(({ name }) => name === 'nftables' || name === 'iptables')
      .map(({ label, isStandIn }) => (isStandIn ? `${label} (stand-in)` : label))
      .join(', ') || 'none';
  const facts: readonly (readonly [string, string, string])[] = [
    ['version of the result', String(a.version), String(b.version)],
    ['CPU', a.machine.cpu, b.machine.cpu],
    ['number of CPUs', String(a.machine.cpus), String(b.machine.cpus)],
    ['memory in MiB', String(a.machine.memoryMiB), String(b.machine.memoryMiB)],
    ['kernel', a.machine.kernel, b.machine.kernel],
    ['frequency governor', a.machine.governor ?? 'none', b.machine.governor ?? 'none'],
    ['Node', a.machine.node, b.machine.node],
    ['options', optionsText(a), optionsText(b)],
    ['kube-proxy', kubeProxies(a), kubeProxies(b)],
  ];
  return facts.flatMap(([what, ofA, ofB]) =>
    ofA === ofB ? [] : [`the ${what} differs: ${ofA} in A, ${ofB} in B`],
  );
}

function optionsText({ options }: Result): string {
  const { services, endpoints, rounds, exchanges } = options;
  return `--services ${services.join(',')} --endpoints ${endpoints} --rounds ${rounds} --exchanges ${exchanges}`;
}
