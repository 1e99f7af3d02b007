// SPDX-License-Identifier: Apache-2.0
// `bench clusterip`: thousands of Services on one node, from their first object in the API server to a
// connection through one of them, against no proxy at all. Every ratio comes from one run, in which what
// is compared took turns.

import { mkdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { buildBpf } from '../../scripts/build.ts';
import { ROOT } from '../../scripts/command.ts';
import { findKubeProxy } from '../lab/find-program.ts';
import { KUBE_PROXY_MODES, type KubeProxyMode } from '../lab/kube-proxy-config.ts';
import { BenchCluster } from './bench-cluster.ts';
import { measureChanges } from './changes.ts';
import { printReport, type Report } from './clusterip-report.ts';
import { measureExchanges } from './exchanges.ts';
import { describeMachine } from './machine.ts';
import { measurePrograms } from './program-costs.ts';
import { measureFill } from './programming.ts';
import { measureProxies } from './proxies.ts';
import { stage } from './stage.ts';
import { measureStarts } from './starts.ts';

export interface Options {
  readonly services: number;
  readonly endpoints: number;
  readonly starts: number;
  readonly settle: number;
  readonly changes: number;
  readonly rounds: number;
  readonly exchanges: number;
  readonly json: string;
  readonly kubeProxy?: string;
  readonly kubeProxyModes: readonly KubeProxyMode[];
}

/** Services that speak UDP: created last, so that what is said of the others is of TCP alone. */
const UDP_SHARE = 0.1;
const KUBE_PROXY_HELP = 'a kube-proxy to compare with (default $KUBE_PROXY, or one on the PATH)';
/** iptables-nft takes minutes for thousands of Services. */
const DEFAULT_MODES: readonly KubeProxyMode[] = ['nftables', 'iptables-legacy'];

export function command(): Command {
  return new Command('clusterip')
    .description(
      'Services with cluster IPs: programming, memory, connections, cost of each program',
    )
    .option('--services <n>', 'Services', count, 10_000)
    .option('--endpoints <n>', 'endpoints of each', count, 3)
    .option('--starts <n>', 'starts of the agent of each kind', count, 3)
    .option('--settle <s>', 'seconds until its memory is read', count, 5)
    .option('--changes <n>', 'single changes', count, 200)
    .option('--rounds <n>', 'rounds of connections', count, 7)
    .option('--exchanges <n>', 'connections of a kind in each round', count, 2_000)
    .option('--kube-proxy <file>', KUBE_PROXY_HELP)
    .option('--kube-proxy-modes <list>', KUBE_PROXY_MODES.join(', '), modes, DEFAULT_MODES)
    .option('--json <file>', 'where the figures go', path.join(ROOT, 'report/clusterip.json'))
    .action(run);
}

async function run(options: Options): Promise<void> {
  const date = new Date().toISOString();
  const machine = describeMachine();
  buildBpf();
  const kubeProxy = findKubeProxy(options.kubeProxy);
  const cluster = await stage('a node, its agent, two pods', () => BenchCluster.start());
  const close = () => stage('everything is taken away again', () => cluster.close());
  try {
    const figures = await measure(cluster, options, kubeProxy);
    const report: Report = { date, machine, options, ...figures };
    printReport(report);
    mkdirSync(path.dirname(options.json), { recursive: true });
    await writeFile(options.json, `${JSON.stringify(report, undefined, 2)}\n`);
    console.log(`\nAll figures: ${path.relative(process.cwd(), options.json)}`);
  } catch (error) {
    // What went wrong first is told, whatever comes of the rest.
    await close().catch((problem: unknown) => console.error(problem));
    throw error;
  }
  await close();
}

async function measure(cluster: BenchCluster, options: Options, kubeProxy: string | undefined) {
  const { services, endpoints, changes, rounds, exchanges } = options;
  const smallStarts = await stage('warm starts with few Services', (note) =>
    measureStarts(cluster, 'warm', options, note),
  );
  const fill = await stage(`${services} Services for a running agent`, () =>
    measureFill(cluster, { count: services, endpoints, protocol: 'TCP' }),
  );
  const coldStarts = await stage('cold starts', (note) =>
    measureStarts(cluster, 'cold', options, note),
  );
  const warmStarts = await stage('warm starts', (note) =>
    measureStarts(cluster, 'warm', options, note),
  );
  const proxies = await stage('one proxy after the other', (note) =>
    measureProxies(cluster, { ...options, kubeProxy }, note),
  );
  const change = await stage(`${changes} single changes`, () => measureChanges(cluster, changes));
  const tcp = await stage('connections', (note) =>
    measureExchanges(cluster, { protocol: 'TCP', rounds, exchanges }, note),
  );
  const udp = await stage('datagrams', async (note) => {
    const ofUdp = { count: Math.ceil(services * UDP_SHARE), endpoints, protocol: 'UDP' } as const;
    await cluster.addServices(ofUdp);
    return measureExchanges(cluster, { protocol: 'UDP', rounds, exchanges }, note);
  });
  const programs = await stage('cost of each program', () => measurePrograms(cluster));
  return { smallStarts, fill, coldStarts, warmStarts, proxies, change, tcp, udp, programs };
}

function modes(text: string): KubeProxyMode[] {
  return text.split(',').map((name) => {
    const mode = KUBE_PROXY_MODES.find((known) => known === name.trim());
    if (mode) return mode;
    throw new InvalidArgumentError(`It must be of ${KUBE_PROXY_MODES.join(', ')}.`);
  });
}

function count(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number > 0) return number;
  throw new InvalidArgumentError('It must be a whole number above 0.');
}
