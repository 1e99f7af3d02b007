// SPDX-License-Identifier: Apache-2.0
// The invariants of the packet path by name, how often each had something to say, and what the first one that
// did not hold had to say.

export const CHECKS = {
  verdicts: 'each packet meets one known verdict and counts as one outcome',
  untouched: 'what is not of a service comes out to the bit as it came',
  translations:
    'a translated packet differs in ends, TTL and checksums alone, and each sum stays as it was',
  backends:
    'a new connection gets a backend that its Service allows, by policy, ranges and affinity',
  served: 'a new connection that may be served is served',
  sources: 'no two connections that live look the same to a backend, and ports lie in the range',
  staying: 'a connection keeps its backend and source while it lives, and no longer',
  inverse: 'replies come out as the service to the client, or as they came',
  stack: 'two halves with the stack in between come to the same as one whole',
  errors: 'ICMP errors come out about what their receiver sent',
  answers: 'refusals and echo replies are well-formed, and go back',
  tables: 'a packet changes entries of its own connection alone, and both halves are there',
} as const;

export type CheckName = keyof typeof CHECKS;

export class Violation extends Error {
  readonly check: CheckName;

  constructor(check: CheckName, message: string) {
    super(message);
    this.name = 'Violation';
    this.check = check;
  }
}

/** How often each check had something to look at. */
export class Exercise {
  readonly times = new Map<CheckName, number>();
  readonly outcomes = new Map<string, number>();

  holds(check: CheckName, isSo: boolean, otherwise: () => string): void {
    this.times.set(check, (this.times.get(check) ?? 0) + 1);
    if (!isSo) throw new Violation(check, otherwise());
  }

  none(check: CheckName, problems: readonly string[]): void {
    this.holds(check, problems.length === 0, () => problems.slice(0, 8).join('\n'));
  }

  met(outcome: string): void {
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
  }
}
