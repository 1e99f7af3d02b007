// SPDX-License-Identifier: Apache-2.0
// Kubernetes' protocol names and the numbers that IP headers and the tables hold (IANA).

import type { Protocol } from './objects.ts';

/** Of a frontend that stands for every protocol. */
export type AnyProtocol = 'any';

const NUMBERS: Readonly<Record<Protocol | AnyProtocol, number>> = {
  TCP: 6,
  UDP: 17,
  SCTP: 132,
  any: 0,
};
const NAMES = new Map(
  Object.entries(NUMBERS).map(([name, number]) => [number, name as Protocol | AnyProtocol]),
);

export function protocolNumber(protocol: Protocol | AnyProtocol): number {
  return NUMBERS[protocol];
}

/** @returns undefined for a number that nothing of ours can have. */
export function protocolName(number: number): Protocol | AnyProtocol | undefined {
  return NAMES.get(number);
}
