// SPDX-License-Identifier: Apache-2.0
// Clients that go on while something is done to the node: new connections all the time, and some that stay open. What
// they report is what a fault did to them.

import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../lab/until.ts';
import { inIpv4Words } from './dual-stack.ts';
import type { ProbeSocket, SocketProbe, Target } from './socket-probe.ts';

/** What a client dials, and the backend that is to answer. */
export interface DisturbedTarget extends Target {
  /** As it names itself in the words of IPv4: address and port. */
  readonly lands: string;
}

export interface Disturbance {
  readonly attempts: number;
  readonly failed: number;
  /** Connections that were open before, and are no more. */
  readonly lost: number;
  /** The first of those that failed, in words. */
  readonly failures: readonly string[];
}

/** Before and after: clients are seen to connect. */
const CONNECTING_MS = 200;

/** Attempts at a time that may be told of. */
const TOLD = 5;

export class DisturbedClients {
  readonly #ends: (() => Promise<Disturbance>)[] = [];

  /** Adds one that dials these, going round, and keeps a connection open to each that is TCP. */
  async add(probe: SocketProbe, keeper: SocketProbe, targets: readonly DisturbedTarget[]) {
    const streams = targets.filter(({ kind }) => kind === 'tcp');
    const open = await Promise.all(streams.map((target) => connected(keeper, target)));
    const attempts = probe.repeat(targets, { timeoutMs: 120_000, pauseUs: 500 });
    this.#ends.push(async () => {
      probe.stop();
      const made = await attempts;
      const failed = made.filter(
        ({ target, landed }) => targets[target]?.lands !== inIpv4Words(landed.split(' ')[0] ?? ''),
      );
      const lost: string[] = [];
      for (const [i, socket] of open.entries()) {
        const said = await echo(socket);
        if (said !== 'still-there') lost.push(`${streams[i]?.address} open before: ${said}`);
      }
      return {
        attempts: made.length,
        failed: failed.length,
        lost: lost.length,
        failures: [
          ...failed.slice(0, TOLD).map(({ target, landed }) => {
            const { kind, address } = targets[target] as DisturbedTarget;
            return `${kind} to ${address}: ${landed}`;
          }),
          ...lost,
        ],
      };
    });
  }

  /** Ends them all. */
  async end(): Promise<Disturbance> {
    const ends = await Promise.all(this.#ends.splice(0).map((end) => end()));
    const sum = (of: (end: Disturbance) => number) => ends.reduce((all, end) => all + of(end), 0);
    return {
      attempts: sum(({ attempts }) => attempts),
      failed: sum(({ failed }) => failed),
      lost: sum(({ lost }) => lost),
      failures: ends.flatMap(({ failures }) => failures),
    };
  }
}

export interface Disturbing {
  /** Dials again and again. */
  readonly probe: SocketProbe;
  /** Keeps connections open. */
  readonly keeper: SocketProbe;
  readonly targets: readonly DisturbedTarget[];
  readonly withinMs: number;
}

/**
 * Does something while clients connect.
 *
 * @returns what became of them, and how long it took until `isMended`.
 */
export async function disturb(
  { probe, keeper, targets, withinMs }: Disturbing,
  cause: () => unknown,
  isMended: () => boolean | Promise<boolean>,
) {
  const clients = new DisturbedClients();
  await clients.add(probe, keeper, targets);
  await sleep(CONNECTING_MS);
  const causedMs = performance.now();
  await cause();
  await until('it is mended', isMended, withinMs);
  const repairMs = Math.round(performance.now() - causedMs);
  await sleep(CONNECTING_MS);
  const { failures, ...figures } = await clients.end();
  return { failures, figures: { ...figures, repairMs } };
}

async function connected(probe: SocketProbe, { address, port }: Target): Promise<ProbeSocket> {
  const socket = await probe.open('tcp', address.includes(':') ? 6 : 4);
  const errno = await socket.connect(address, port);
  if (errno) throw new Error(`connect to ${address}: ${errno}`);
  await socket.receive();
  return socket;
}

async function echo(socket: ProbeSocket): Promise<string> {
  const errno = await socket.send('still-there');
  if (errno) return errno;
  try {
    return (await socket.receive()).data;
  } catch (error) {
    return (error as Error).message;
  }
}
