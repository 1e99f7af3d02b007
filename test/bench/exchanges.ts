// SPDX-License-Identifier: Apache-2.0
// What a cluster IP costs a client: connect() through it, or the first datagram and its answer, against
// the same by plain routing. Measured by connect-client.c in the client pod, in turns.

import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { BenchCluster } from './bench-cluster.ts';
import { CLIENT_CPU, PLAIN_PORT } from './servers.ts';
import { BACKEND_PORT, SERVICE_PORT, type ServiceSet } from './service-objects.ts';
import { type Distribution, distribution, median } from './statistics.ts';

export type Protocol = ServiceSet['protocol'];

/** The ways to the same servers. */
export const ARMS = ['direct', 'directAgain', 'missed', 'service'] as const;
export type Arm = (typeof ARMS)[number];

export interface Ratio {
  /** Of the medians over all rounds. */
  readonly ofMedians: number;
  /** The least and the greatest of any round. */
  readonly min: number;
  readonly max: number;
}

export interface Exchanges {
  /** Microseconds. */
  readonly arms: Readonly<Record<Arm, Distribution>>;
  /** Through the Service, against direct. */
  readonly service: Ratio;
  /** Direct too, yet past the programs, which find nothing; against direct. */
  readonly missed: Ratio;
  /** Direct against direct: how far apart what is the same comes out. */
  readonly noise: Ratio;
  readonly mediansUs: readonly Readonly<Record<Arm, number>>[];
}

export interface ExchangeOptions {
  readonly protocol: Protocol;
  readonly rounds: number;
  /** For each arm in each round. */
  readonly exchanges: number;
}

const BLOCK = 200;

export async function measureExchanges(
  cluster: BenchCluster,
  { protocol, rounds, exchanges }: ExchangeOptions,
  note: (text: string) => void,
): Promise<Exchanges> {
  const arms = await armArguments(cluster, protocol);
  const all = new Map<Arm, number[]>(ARMS.map((arm) => [arm, []]));
  const mediansUs: Record<Arm, number>[] = [];
  for (let round = 0; round < rounds; round++) {
    note(`${round + 1} of ${rounds}`);
    const samples = await runClient(cluster, {
      protocol,
      exchanges,
      arms: ARMS.map((arm) => arms[arm]),
    });
    const us = (arm: Arm) => samples.get(arm)?.map((ns) => ns / 1000) ?? [];
    for (const arm of ARMS) all.get(arm)?.push(...us(arm));
    mediansUs.push(record((arm) => median(us(arm))));
  }
  const distributions = record((arm) => distribution(all.get(arm) ?? []));
  const ratio = (arm: Arm): Ratio => {
    const ofRounds = mediansUs.map((medians) => medians[arm] / medians.direct);
    return {
      ofMedians: distributions[arm].p50 / distributions.direct.p50,
      min: Math.min(...ofRounds),
      max: Math.max(...ofRounds),
    };
  };
  return {
    arms: distributions,
    service: ratio('service'),
    missed: ratio('missed'),
    noise: ratio('directAgain'),
    mediansUs,
  };
}

/** What connect-client is told of each arm; the files that it names are written. */
export async function armArguments(
  cluster: BenchCluster,
  protocol: Protocol,
): Promise<Record<Arm, string>> {
  const { directory } = cluster.lab;
  const services = Array.from({ length: cluster.count(protocol) }, (_, i) =>
    cluster.clusterIP(protocol, i),
  );
  const targets = async (name: string, addresses: readonly string[], port: number) => {
    const file = path.join(directory, `${protocol}-${name}.targets`);
    await writeFile(file, addresses.map((address) => `${address} ${port}\n`).join(''));
    return file;
  };
  const backends = cluster.backends(protocol);
  // A TCP server meets no program, whichever cgroup it is in; one that sends datagrams does.
  const plainPort = protocol === 'TCP' ? BACKEND_PORT : PLAIN_PORT;
  const plain = await targets('plain', backends, plainPort);
  const hooked = await targets('hooked', backends, BACKEND_PORT);
  const service = await targets('service', services, SERVICE_PORT);
  const { outerCgroup, client } = cluster;
  return {
    direct: `direct,${plain},${outerCgroup}`,
    directAgain: `directAgain,${plain},${outerCgroup}`,
    missed: `missed,${hooked},${client.cgroup}`,
    service: `service,${service},${client.cgroup}`,
  };
}

export interface ClientRun {
  readonly protocol: Protocol;
  readonly exchanges: number;
  /** Out of {@link armArguments}. */
  readonly arms: readonly string[];
  /** Has the kernel count the programs' runs meanwhile. */
  readonly countsPrograms?: boolean;
}

/** @returns nanoseconds, by name of the arm. @throws Error when an exchange failed. */
export async function runClient(
  cluster: BenchCluster,
  { protocol, exchanges, arms, countsPrograms = false }: ClientRun,
): Promise<Map<string, number[]>> {
  const { code, stdout, stderr } = await cluster.client.run([
    cluster.clientProgram,
    ...(countsPrograms ? ['--stats'] : []),
    `${CLIENT_CPU}`,
    protocol.toLowerCase(),
    `${exchanges}`,
    `${BLOCK}`,
    ...arms,
  ]);
  if (code !== 0) throw new Error(`the client ended with ${code}: ${stderr.trim()}`);
  const lines = stdout.trimEnd().split('\n');
  return new Map(
    lines.map((line) => {
      const [name = '', ...samples] = line.split(' ');
      return [name, samples.map(Number)];
    }),
  );
}

function record<T>(of: (arm: Arm) => T): Record<Arm, T> {
  return Object.fromEntries(ARMS.map((arm) => [arm, of(arm)])) as Record<Arm, T>;
}
