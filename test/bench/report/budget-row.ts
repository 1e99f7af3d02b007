// SPDX-License-Identifier: Apache-2.0
// One budget becomes one row: what it is, who took what, and whether it was kept. Pure; budgets.ts has the budgets.

import type { ArmName, BudgetRow } from '../result.ts';
import { KUBE_PROXIES, type Measured, modeOf } from './lookup.ts';
import { type Unit, withUnit, withUnitAgainst } from './units.ts';

/** Where there is no such thing: no proxy cannot be started. */
export const NONE = '–';
export const NOT_MEASURED = 'not measured';

export interface Budget {
  readonly what: string;
  /**
   * `atMost`: the limit itself is allowed; `below`: it is not, nor what is below it by no more than two equal
   * measurements came out apart. `withinNoise`: of what must cost nothing, as much more as those came out apart.
   */
  readonly rule: 'atMost' | 'below' | 'withinNoise';
  readonly limit: number;
  readonly unit: Unit;
  /** What the limit reads as, when not as a number. */
  readonly limitText?: string;
  /** What an arm took, in `unit`; undefined where it was not measured. */
  readonly of: (arm: ArmName) => number | undefined;
  /** More about it, in brackets. */
  readonly detail?: (arm: ArmName) => string | undefined;
  /** What no proxy took. */
  readonly direct?: string | undefined;
  /** A/A, as a fraction. */
  readonly noise?: number | undefined;
  /** Fewer Services were there than the budget is for: that it was kept says nothing then, only that it was not. */
  readonly tooFew?: string | undefined;
  /** Why it was not measured. */
  readonly missing?: string;
}

export function budgetRow(result: Measured, budget: Budget): BudgetRow {
  const { what, direct = NONE, rule, limit, unit, limitText } = budget;
  const value = budget.of('signalbox');
  const shownLimit =
    limitText ?? withUnit(limit, unit, unit !== 'ratio' && Number.isInteger(limit) ? 0 : undefined);
  return {
    what,
    direct,
    kubeProxy: kubeProxyText(result, budget),
    budget: rule === 'below' ? `below ${shownLimit}` : shownLimit,
    ...(value === undefined
      ? { measured: budget.missing ?? NOT_MEASURED, isMet: undefined }
      : { measured: measuredText(budget, value), isMet: verdict(budget, value) }),
  };
}

function verdict(budget: Budget, value: number): boolean | undefined {
  const isMet = meets(budget, value);
  return isMet && budget.tooFew !== undefined ? undefined : isMet;
}

function meets({ rule, limit, noise = 0 }: Budget, value: number): boolean {
  if (rule === 'below') return value < limit * (1 - noise);
  return value <= limit + (rule === 'withinNoise' ? noise * limit : 0);
}

function measuredText(budget: Budget, value: number): string {
  const { unit, tooFew, noise } = budget;
  const text = withUnitAgainst(value, unit, (shown) => meets(budget, shown));
  const about = [
    budget.detail?.('signalbox'),
    noise === undefined
      ? budget.rule === 'withinNoise' && 'no A/A'
      : `A/A ${withUnit(noise * 100, 'percent')}`,
    tooFew,
  ].filter(Boolean);
  return about.length === 0 ? text : `${text} (${about.join('; ')})`;
}

/** Every mode there is, the best first. */
function kubeProxyText(result: Measured, { of, unit, detail }: Budget): string {
  const measured = KUBE_PROXIES.flatMap((arm) => {
    const value = of(arm);
    return value === undefined ? [] : [{ arm, value }];
  }).toSorted((a, b) => a.value - b.value);
  if (measured.length === 0) return NOT_MEASURED;
  return measured
    .map(({ arm, value }) => {
      const about = detail?.(arm);
      return `${modeOf(result, arm)} ${withUnit(value, unit)}${about ? ` (${about})` : ''}`;
    })
    .join('; ');
}
