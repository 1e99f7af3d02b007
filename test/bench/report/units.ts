// SPDX-License-Identifier: Apache-2.0
// How the report writes numbers: one way for each unit, wherever the number stands. Pure.

export type Unit = 'ratio' | 'us' | 'ms' | 's' | 'ns' | 'MB' | 'percent' | 'count';

const SUFFIX: Readonly<Record<Unit, string>> = {
  ratio: ' ×',
  us: ' µs',
  ms: ' ms',
  s: ' s',
  ns: ' ns',
  MB: ' MB',
  percent: ' %',
  count: '',
};

const MOST_DECIMALS = 6;

/** By decimals. To make one takes far longer than to use it. */
const FORMATS = Array.from(
  { length: MOST_DECIMALS + 1 },
  (_, decimals) =>
    new Intl.NumberFormat('en-US', {
      minimumFractionDigits: decimals,
      maximumFractionDigits: decimals,
    }),
);

/** @param decimals default: as many as say something, two of a ratio. */
export function withUnit(value: number, unit: Unit, decimals = usualDecimals(value, unit)): string {
  return `${number(value, decimals)}${SUFFIX[unit]}`;
}

export function number(value: number, decimals = usualDecimals(value, 'count')): string {
  return FORMATS[decimals]?.format(value) ?? String(value);
}

/**
 * With as many decimals as it takes for what is read to be true: 1.0304 does not become 1.03 beside a limit of 1.03
 * that it fails.
 */
export function withUnitAgainst(
  value: number,
  unit: Unit,
  isMet: (value: number) => boolean,
): string {
  let decimals = usualDecimals(value, unit);
  while (decimals < MOST_DECIMALS && isMet(Number(value.toFixed(decimals))) !== isMet(value)) {
    decimals++;
  }
  return withUnit(value, unit, decimals);
}

/** As `+3.1 %`. @param fraction of what was there before. */
export function signedPercent(fraction: number): string {
  if (!Number.isFinite(fraction)) return 'from 0';
  const text = number(Math.abs(fraction) * 100, 1);
  return `${text === '0.0' ? '±' : fraction < 0 ? '−' : '+'}${text} %`;
}

/** 10^6 bytes, which budgets are in, of 2^20 bytes, which the kernel counts in. */
export function megabytes(mib: number): number {
  return (mib * 2 ** 20) / 1e6;
}

/** In both units, so that neither is taken for the other. */
export function memory(mib: number): string {
  return `${withUnit(megabytes(mib), 'MB', 1)} (${number(mib, 1)} MiB)`;
}

export function services(count: number): string {
  return `${number(count, 0)} ${count === 1 ? 'Service' : 'Services'}`;
}

function usualDecimals(value: number, unit: Unit): number {
  if (unit === 'ratio') return 2;
  if (unit === 'count' && Number.isInteger(value)) return 0;
  const size = Math.abs(value);
  if (size >= 100) return 0;
  if (size >= 10) return 1;
  return size < 0.1 && size > 0 ? 3 : 2;
}
