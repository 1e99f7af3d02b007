// SPDX-License-Identifier: Apache-2.0
// Durations for people: `45s`, `2m5s`, `23h59m`, `3d4h`. Pure.

const UNITS = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
] as const;

/** The two largest units that count; whole seconds, rounded down. */
export function formatDuration(seconds: number): string {
  const whole = Math.floor(seconds);
  const first = UNITS.findIndex(([, size]) => whole >= size);
  if (first < 0) return '0s';
  let left = whole;
  let text = '';
  for (const [unit, size] of UNITS.slice(first, first + 2)) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count) text += `${count}${unit}`;
  }
  return text;
}

/** Inverse of {@link formatDuration}, for any number of units. @returns seconds; undefined when it is none. */
export function parseDuration(text: string): number | undefined {
  if (!/^(\d+[dhms])+$/.test(text)) return undefined;
  const sizes = new Map<string, number>(UNITS);
  return text
    .matchAll(/(\d+)([dhms])/g)
    .reduce((sum, [, count, unit = '']) => sum + Number(count) * (sizes.get(unit) ?? 0), 0);
}
