// SPDX-License-Identifier: Apache-2.0
// Kubernetes' protocol names and the numbers that IP headers and the tables hold (IANA).

import type { Protocol } from './objects.ts';

const NUMBERS: Readonly<Record<Protocol, number>> = { TCP: 6, UDP: 17, SCTP: 132 };
const NAMES = new Map(Object.entries(NUMBERS).map(([name, number]) => [number, name as Protocol]));

export function protocolNumber(protocol: Protocol): number {
  return NUMBERS[protocol];
}

/** @returns undefined for a number that no Service can have. */
export function protocolName(number: number): Protocol | undefined {
  return NAMES.get(number);
}
