// SPDX-License-Identifier: Apache-2.0
// Traffic from several places at once that must not be disturbed: begun, waited for, ended, counted.

import { fileURLToPath } from 'node:url';
import { Remote } from '../lab/rpc.ts';
import { type Place, spawnInside } from '../lab/spawn-inside.ts';
import { until } from '../lab/until.ts';
import type { TrafficMethods, TrafficOrder, TrafficReport } from './steady-traffic-client.ts';

const PROGRAM = fileURLToPath(new URL('steady-traffic-client.ts', import.meta.url));

export class SteadyTraffic {
  readonly #remotes = new Map<string, Remote<TrafficMethods>>();
  readonly #flows: { name: string; remote: Remote<TrafficMethods>; number: number }[] = [];

  /** @param name in reports: from where to what. */
  async begin(place: Place, name: string, order: TrafficOrder): Promise<void> {
    const key = `${place.namespace} ${place.cgroup}`;
    const remote = this.#remotes.get(key) ?? start(place);
    this.#remotes.set(key, remote);
    const number = await remote.call('begin', order);
    this.#flows.push({ name: `${name}: ${order.kind} to ${order.host}`, remote, number });
  }

  /** Waits until each has had so many more exchanges, or has failed. */
  async goesOn(exchanges = 4): Promise<void> {
    const before = await this.#reports('report');
    await until('all traffic goes on', async () => {
      const now = await this.#reports('report');
      return now.every(
        ({ report }, i) =>
          report.failures.length > 0 ||
          report.exchanges >= (before[i]?.report.exchanges ?? 0) + exchanges,
      );
    });
  }

  /** What was begun, in that order, has done so far. */
  async reports(): Promise<TrafficReport[]> {
    return (await this.#reports('report')).map(({ report }) => report);
  }

  /** What has failed so far, in words. */
  async failures(): Promise<string[]> {
    return failuresIn(await this.#reports('report'));
  }

  /** Ends those whose name is like that; default: all. @returns the sum of what they have done, and what has failed. */
  async end(like = /./): Promise<Pick<TrafficReport, 'exchanges' | 'connections' | 'failures'>> {
    const ended = this.#flows.filter(({ name }) => like.test(name));
    for (const flow of ended) this.#flows.splice(this.#flows.indexOf(flow), 1);
    const reports = await Promise.all(
      ended.map(async ({ name, remote, number }) => ({
        name,
        report: await remote.call('end', number),
      })),
    );
    const sum = (of: (report: TrafficReport) => number) =>
      reports.reduce((total, { report }) => total + of(report), 0);
    return {
      exchanges: sum(({ exchanges }) => exchanges),
      connections: sum(({ connections }) => connections),
      failures: failuresIn(reports),
    };
  }

  #reports(method: 'report'): Promise<{ name: string; report: TrafficReport }[]> {
    return Promise.all(
      this.#flows.map(async ({ name, remote, number }) => ({
        name,
        report: await remote.call(method, number),
      })),
    );
  }
}

function failuresIn(reports: readonly { name: string; report: TrafficReport }[]): string[] {
  return reports.flatMap(({ name, report }) =>
    [...new Set(report.failures)].map((failure) => {
      const count = report.failures.filter((each) => each === failure).length;
      return `${name}: ${failure} (${count} of ${report.connections})`;
    }),
  );
}

/** It ends with this process, and with its cgroup. */
function start(place: Place): Remote<TrafficMethods> {
  const child = spawnInside(place, [process.execPath, PROGRAM], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  child.unref();
  return new Remote(child);
}
