// SPDX-License-Identifier: Apache-2.0
// Durations as kube-proxy's flags and configuration have them: Go's text, `1h30m`, `100ms`, `1.5s`. Pure. Kept as
// nanoseconds in a bigint, so that every one that Go can hold comes back as it was.

const UNITS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

export const SECOND_NS = 1_000_000_000n;
const LONGEST_NS = 2n ** 63n - 1n;

const PART = /(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)/y;

/** @returns nanoseconds; undefined when Go's time.ParseDuration would not take `text`. */
export function parseGoDuration(text: string): bigint | undefined {
  const isNegative = text.startsWith('-');
  const body = text.replace(/^[-+]/, '');
  if (body === '0') return 0n;
  if (body === '') return undefined;
  let total = 0n;
  PART.lastIndex = 0;
  for (let at = 0; at < body.length; at = PART.lastIndex) {
    PART.lastIndex = at;
    const [, whole = '', fraction = '', unit = ''] = PART.exec(body) ?? [];
    const size = UNITS[unit];
    if (size === undefined || whole + fraction === '') return undefined;
    total += BigInt(whole || '0') * size;
    total += (BigInt(fraction || '0') * size) / 10n ** BigInt(fraction.length);
    if (total > LONGEST_NS) return undefined;
  }
  return isNegative ? -total : total;
}

/** As Go writes it: `0s`, `1.5s`, `1m0s`, `24h0m0s`. */
export function formatGoDuration(ns: bigint): string {
  if (ns < 0n) return `-${formatGoDuration(-ns)}`;
  if (ns === 0n) return '0s';
  if (ns < SECOND_NS) {
    const [unit, size] =
      ns < 1_000n
        ? (['ns', 1n] as const)
        : ns < 1_000_000n
          ? (['µs', 1_000n] as const)
          : (['ms', 1_000_000n] as const);
    return `${decimal(ns, size)}${unit}`;
  }
  const minutes = ns / (60n * SECOND_NS);
  const seconds = `${decimal(ns % (60n * SECOND_NS), SECOND_NS)}s`;
  if (minutes === 0n) return seconds;
  const hours = minutes / 60n;
  return hours === 0n ? `${minutes}m${seconds}` : `${hours}h${minutes % 60n}m${seconds}`;
}

export function milliseconds(ns: bigint): number {
  return Number(ns) / 1e6;
}

/** `ns` in units of `size`, without zeros at its end. */
function decimal(ns: bigint, size: bigint): string {
  const digits = String(size).length - 1;
  const fraction = String(ns % size)
    .padStart(digits, '0')
    .slice(0, digits)
    .replace(/0+$/, '');
  return fraction ? `${ns / size}.${fraction}` : `${ns / size}`;
}
