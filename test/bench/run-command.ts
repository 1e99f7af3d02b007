// SPDX-License-Identifier: Apache-2.0
// `npm run bench`: every proxy against none, on this machine, within ten minutes; then where the report is.

import path from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { buildBpf } from '../../scripts/build.ts';
import { ROOT } from '../../scripts/command.ts';
import { findKubeProxy } from '../lab/find-program.ts';
import { requireRoot } from '../lab/lab.ts';
import { kubeProxyVersion } from './proxy-kube-proxy.ts';
import { makeReportDirectory, writeReport } from './report/files.ts';
import { printSummary } from './report/terminal.ts';
import { PROXIES, type ProxyName } from './result.ts';
import { PARTS, type Part, runBenchmark } from './run.ts';

interface Flags {
  readonly services: readonly number[];
  readonly endpoints: number;
  readonly rounds: number;
  readonly exchanges: number;
  readonly parts: readonly Part[];
  readonly proxies: readonly ProxyName[];
  readonly kubeProxy?: string;
  readonly report: string;
}

/** The greatest number that a budget speaks of. */
const MOST_SERVICES = 100_000;

export function runCommand(): Command {
  return new Command('run')
    .description('measure no proxy, Signalbox and kube-proxy in turns (the default; ten minutes)')
    .addOption(list('--services <list>', 'numbers of Services, ascending', sizes, '10,1000,10000'))
    .option('--endpoints <n>', 'endpoints of each', count, 3)
    .option('--rounds <n>', 'rounds of each latency', count, 7)
    .option('--exchanges <n>', 'exchanges of each arm in a round', count, 1_000)
    .addOption(list('--parts <list>', 'what to measure', oneOf(PARTS), PARTS.join()))
    .addOption(list('--proxies <list>', 'of which proxies', oneOf(PROXIES), PROXIES.join()))
    .option(
      '--kube-proxy <file>',
      'a kube-proxy to compare with (default: $KUBE_PROXY, or one on the PATH; else rules of its shape)',
    )
    .option('--report <directory>', 'where the report goes', path.join(ROOT, 'report'))
    .action(run);
}

/** What can be known to fail fails now, and not when ten minutes have gone by. */
async function run({ kubeProxy, proxies, report, ...options }: Flags): Promise<void> {
  requireRoot();
  const binary = findKubeProxy(kubeProxy);
  if (binary !== undefined) kubeProxyVersion(binary);
  makeReportDirectory(report);
  buildBpf();
  const result = await runBenchmark({
    ...options,
    arms: ['direct', 'directAgain', ...proxies],
    kubeProxy: binary,
  });
  printSummary(result, writeReport(result, report));
}

function list<T>(
  flags: string,
  description: string,
  parse: (text: string) => T,
  byDefault: string,
): Option {
  return new Option(flags, description).argParser(parse).default(parse(byDefault), byDefault);
}

function sizes(text: string): number[] {
  const numbers = text.split(',').map(count);
  if (numbers.some((each, i) => each <= (numbers[i - 1] ?? 0) || each > MOST_SERVICES)) {
    throw new InvalidArgumentError(`They must ascend, to ${MOST_SERVICES} at most: 10,1000,10000.`);
  }
  return numbers;
}

function oneOf<T extends string>(known: readonly T[]): (text: string) => T[] {
  return (text) =>
    text.split(',').map((name) => {
      const found = known.find((each) => each === name.trim());
      if (found) return found;
      throw new InvalidArgumentError(`It must be of ${known.join(', ')}.`);
    });
}

function count(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number > 0) return number;
  throw new InvalidArgumentError('It must be a whole number above 0.');
}
