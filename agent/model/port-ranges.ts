// SPDX-License-Identifier: Apache-2.0
// Lists of port ranges, as Linux writes them in net.ipv4.ip_local_reserved_ports: `8080,9148-9150`. Pure. Used to
// keep the ports of masqueraded flows from everything else on the node.

/** Consecutive ports. */
export interface PortRange {
  readonly first: number;
  readonly count: number;
}

/** Of the dynamic ports of RFC 6335: half of what Linux gives to connections of the node itself stays with them. */
export const DEFAULT_MASQUERADE_PORTS: PortRange = { first: 49152, count: 16384 };

const LAST_PORT = 65535;

/** `49152-65535`. @returns undefined for anything else. */
export function parsePortRange(text: string): PortRange | undefined {
  const [, from, to] = text.trim().match(/^(\d{1,5})-(\d{1,5})$/) ?? [];
  const [first, last] = [Number(from), Number(to)];
  if (!(first >= 1 && first <= last && last <= LAST_PORT)) return undefined;
  return { first, count: last - first + 1 };
}

export function formatPortRange({ first, count }: PortRange): string {
  return count === 1 ? String(first) : `${first}-${first + count - 1}`;
}

/** As the kernel shows it; what is no range in it is left out. */
export function parsePortList(text: string): PortRange[] {
  return text.split(',').flatMap((word) => {
    const ports = word.trim();
    return parsePortRange(ports.includes('-') ? ports : `${ports}-${ports}`) ?? [];
  });
}

export function formatPortList(ranges: readonly PortRange[]): string {
  return ranges.map(formatPortRange).join(',');
}

/** Every port of either, in order; ranges that touch are one. */
export function withPorts(ranges: readonly PortRange[], more: PortRange): PortRange[] {
  const sorted = [...ranges, more].sort((a, b) => a.first - b.first);
  const joined: PortRange[] = [];
  for (const range of sorted) {
    const last = joined.at(-1);
    if (!last || range.first > endOf(last)) joined.push(range);
    else joined[joined.length - 1] = between(last.first, Math.max(endOf(last), endOf(range)));
  }
  return joined;
}

/** Every port of `ranges` that is not in `less`. */
export function withoutPorts(ranges: readonly PortRange[], less: PortRange): PortRange[] {
  return ranges.flatMap((range) =>
    [
      between(range.first, Math.min(endOf(range), less.first)),
      between(Math.max(range.first, endOf(less)), endOf(range)),
    ].filter(({ count }) => count > 0),
  );
}

/** Whether every port of `range` is in `ranges`. */
export function containsPorts(ranges: readonly PortRange[], range: PortRange): boolean {
  return portsOutside(range, ranges) === 0;
}

/** How many ports of `range` are in none of `ranges`. */
export function portsOutside(range: PortRange, ranges: readonly PortRange[]): number {
  const left = ranges.reduce((rest, one) => withoutPorts(rest, one), [range]);
  return left.reduce((sum, { count }) => sum + count, 0);
}

function endOf({ first, count }: PortRange): number {
  return first + count;
}

function between(first: number, end: number): PortRange {
  return { first, count: end - first };
}
