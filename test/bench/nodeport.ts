// SPDX-License-Identifier: Apache-2.0
// `bench nodeport`: clients outside of the node, through its nodePorts to backends on it and on another one,
// against the same traffic routed by the plain kernel. Every ratio comes from one run, in which what is compared
// took turns.

import { mkdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { buildBpf } from '../../scripts/build.ts';
import { ROOT } from '../../scripts/command.ts';
import { describeMachine } from './machine.ts';
import { budgets } from './nodeport-budgets.ts';
import { NodePortCluster } from './nodeport-cluster.ts';
import { measurePacketPath } from './nodeport-programs.ts';
import { printReport, type Report } from './nodeport-report.ts';
import { measureBulk, measureLatencies } from './nodeport-traffic.ts';
import { stage } from './stage.ts';

export interface Options {
  readonly rounds: number;
  readonly exchanges: number;
  readonly datagrams: number;
  readonly megabytes: number;
  readonly json: string;
}

/** Connections, round trips and datagrams of each way while programs' runs are counted. */
const COUNTED = 1_000;

export function command(): Command {
  return new Command('nodeport')
    .description(
      'NodePorts for clients outside: connections, streams, datagrams, CPU, cost of each program',
    )
    .option('--rounds <n>', 'rounds of everything', count, 7)
    .option('--exchanges <n>', 'connections, and round trips, of a way in each round', count, 2_000)
    .option('--datagrams <n>', 'datagrams of a way in each round', count, 20_000)
    .option('--megabytes <n>', 'of a way in each round', count, 400)
    .option('--json <file>', 'where the figures go', path.join(ROOT, 'report/nodeport.json'))
    .action(run);
}

async function run(options: Options): Promise<void> {
  const date = new Date().toISOString();
  const machine = describeMachine();
  buildBpf();
  const cluster = await stage('a client, two nodes, an agent', () => NodePortCluster.start());
  const close = () => stage('everything is taken away again', () => cluster.close());
  try {
    const figures = await measure(cluster, options);
    const report: Report = { date, machine, options, budgets: budgets(figures), ...figures };
    printReport(report);
    mkdirSync(path.dirname(options.json), { recursive: true });
    await writeFile(options.json, `${JSON.stringify(report, undefined, 2)}\n`);
    console.log(`\nAll figures: ${path.relative(process.cwd(), options.json)}`);
  } catch (error) {
    // What went wrong first is told, whatever comes of the rest.
    for (const line of cluster.complaints) console.error(line);
    await close().catch((problem: unknown) => console.error(problem));
    throw error;
  }
  await close();
}

async function measure(
  cluster: NodePortCluster,
  { rounds, exchanges, datagrams: small, megabytes }: Options,
) {
  const connections = await stage('connections', (note) =>
    measureLatencies(cluster, 'connections', { rounds, exchanges }, note),
  );
  const roundTrips = await stage('established round trips', (note) =>
    measureLatencies(cluster, 'round-trips', { rounds, exchanges }, note),
  );
  const streams = await stage('streams', (note) =>
    measureBulk(cluster, 'megabytes', { rounds, units: megabytes }, note),
  );
  const datagrams = await stage('datagrams', (note) =>
    measureBulk(cluster, 'datagrams', { rounds, units: small }, note),
  );
  const packetPath = await stage('runs of each program', (note) =>
    measurePacketPath(cluster, Math.min(COUNTED, exchanges), note),
  );
  return { connections, roundTrips, streams, datagrams, packetPath };
}

function count(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number > 0) return number;
  throw new InvalidArgumentError('It must be a whole number above 0.');
}
