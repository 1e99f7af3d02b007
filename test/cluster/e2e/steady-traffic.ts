// SPDX-License-Identifier: Apache-2.0
// Traffic from several clients at once that must not be disturbed: begun, waited for, ended, and what has failed in words.

import { eventually, NotYet } from './eventually.ts';
import type { TrafficOrder, TrafficReport } from './pod/wire.ts';
import type { PodControl } from './pod-control.ts';

/** Many at once, each slow enough for an emulated machine. */
const PERIOD_MS = 1000;

export type SteadyOrder = Omit<TrafficOrder, 'periodMs'>;

interface Flow {
  readonly name: string;
  readonly client: PodControl;
  readonly number: number;
}

interface NamedReport extends TrafficReport {
  readonly name: string;
}

export class SteadyTraffic {
  readonly #flows: Flow[] = [];

  async begin(client: PodControl, order: SteadyOrder): Promise<void> {
    const { kind, protocol, host, port } = order;
    const name = `${client.name}: ${kind} ${protocol} to ${host} port ${port}`;
    const number = await client.begin({ ...order, periodMs: PERIOD_MS });
    this.#flows.push({ name, client, number });
  }

  /** Waits until each has had so many more exchanges. @throws Error when one has failed. */
  async goesOn(exchanges = 4): Promise<void> {
    const before = await this.reports();
    await eventually('all traffic goes on', async () => {
      const now = await this.reports();
      const slow = now.filter(({ failures, exchanges: done }, i) => {
        return failures.length === 0 && done < (before[i]?.exchanges ?? 0) + exchanges;
      });
      return slow.length ? new NotYet(slow) : undefined;
    });
    const failures = failuresIn(await this.reports());
    if (failures.length) throw new Error(failures.join('\n'));
  }

  reports(): Promise<NamedReport[]> {
    return Promise.all(
      this.#flows.map(async ({ name, client, number }) => {
        return { name, ...(await client.report(number)) };
      }),
    );
  }

  /** @returns what has failed, in words. */
  async end(): Promise<string[]> {
    const flows = this.#flows.splice(0);
    const reports = flows.map(async ({ name, client, number }) => {
      return { name, ...(await client.end(number)) };
    });
    return failuresIn(await Promise.all(reports));
  }
}

function failuresIn(reports: readonly NamedReport[]): string[] {
  return reports.flatMap(({ name, failures, exchanges }) =>
    failures.map((failure) => `${name}: ${failure} (after ${exchanges} exchanges)`),
  );
}
