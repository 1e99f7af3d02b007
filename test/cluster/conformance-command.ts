// SPDX-License-Identifier: Apache-2.0
// `npm run cluster -- conformance`: Kubernetes' own tests of Services, by a binary that somebody brings: e2e.test of
// Kubernetes' release, or Sonobuoy. It runs on the control plane, by itself (detached.ts): a connection that breaks costs
// no report, and --resume follows what an earlier command has begun. Exit code 1 unless every chosen test passed.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Command } from 'commander';
import { EnvironmentError, UsageError } from '../../agent/errors.ts';
import { ROOT } from '../../scripts/command.ts';
import { type Outcome, outcomesOf } from './conformance-report.ts';
import { followDetached, startDetached } from './detached.ts';
import { controlPlaneOf, type Machine, readInventory } from './inventory.ts';
import { type InventoryFlags, inventoryOption, minutesOption } from './options.ts';
import { copyTree, disconnect, mustRunScript, quoted, runScript } from './ssh.ts';
import { THERE } from './steps.ts';

interface Flags extends InventoryFlags {
  readonly e2e?: string;
  readonly sonobuoy?: string;
  readonly focus: string;
  readonly skip: string;
  readonly repositories?: string;
  readonly report: string;
  readonly resume?: true;
  readonly timeout: number;
}

/** What a proxy has a part in. All of them: those with [Conformance], and what kube-proxy passes beyond. */
const FOCUS =
  '\\[sig-network\\] (Services|Service CIDRs|Service endpoints latency|EndpointSlice|Endpoints|' +
  'Networking Granular Checks|Traffic Distribution|Topology Hints|Conntrack|HostPort|DNS)';

/** What needs a cloud, or a long time, or to be alone; and what looks into netfilter's table of connections. */
const SKIP = '\\[(Feature|Provider):|\\[(Slow|Serial|Disruptive)\\]|cleanup conntrack entries';

const HERE = path.join(ROOT, 'cluster/conformance');
const REPORT_THERE = `${THERE}/conformance`;
const ENV = { KUBECONFIG: '/etc/kubernetes/admin.conf', HOME: REPORT_THERE };

export function conformanceCommand(): Command {
  return new Command('conformance')
    .description("run Kubernetes' own tests of Services, by a binary of yours")
    .addOption(inventoryOption())
    .option('--e2e <binary>', "e2e.test, of the cluster's version")
    .option('--sonobuoy <binary>', 'or sonobuoy, which fetches its images')
    .option('--focus <expression>', 'the tests whose names it matches', FOCUS)
    .option('--skip <expression>', 'without those', SKIP)
    .option('--repositories <file>', 'where e2e.test gets images from: its --kube-test-repo-list')
    .option('--report <directory>', 'where the report goes', HERE)
    .option('--resume', 'follow those that an earlier command has begun, and fetch their report')
    .addOption(minutesOption('for all of it', 240))
    .action(run);
}

async function run({ inventory: file, ...flags }: Flags): Promise<void> {
  const machine = controlPlaneOf(readInventory(file));
  mkdirSync(flags.report, { recursive: true });
  try {
    if (!flags.resume) await begin(machine, flags);
    const onLine = (line: string) => console.log(line);
    const { output } = await followDetached(machine, REPORT_THERE, { onLine });
    print(outcomesOf(await bringReport(machine, flags.report, output)), flags.report);
  } finally {
    await disconnect(machine);
  }
}

async function begin(machine: Machine, flags: Omit<Flags, 'inventory'>): Promise<void> {
  const binary = flags.e2e ?? flags.sonobuoy;
  if (binary === undefined || (flags.e2e !== undefined && flags.sonobuoy !== undefined)) {
    throw new UsageError('give one of --e2e and --sonobuoy', {
      hint: "e2e.test is in Kubernetes' releases, in kubernetes-test-linux-ARCHITECTURE.tar.gz",
    });
  }
  for (const each of [binary, flags.repositories ?? binary]) {
    if (!existsSync(each)) throw new UsageError(`there is no ${each}`);
  }
  await bring(machine, binary);
  if (flags.repositories) {
    const input = readFileSync(flags.repositories, 'utf8');
    await mustRunScript(machine, `cat >${THERE}/repositories.yaml`, { input });
  }
  await startDetached(machine, {
    directory: REPORT_THERE,
    script: `rm -f junit.xml\n${flags.e2e ? e2eScript(binary, flags) : sonobuoyScript(binary, flags)}`,
    timeoutS: flags.timeout * 60 + 600,
    env: ENV,
  });
}

async function bring(machine: Machine, binary: string): Promise<void> {
  const name = path.basename(binary);
  await copyTree(machine, { from: path.dirname(binary), paths: [name], to: `${THERE}/binary` });
}

function e2eScript(binary: string, flags: Omit<Flags, 'inventory'>): string {
  const command = [
    `${THERE}/binary/${path.basename(binary)}`,
    '--provider=skeleton',
    `--kubeconfig=${ENV.KUBECONFIG}`,
    `--ginkgo.focus=${flags.focus}`,
    `--ginkgo.skip=${flags.skip}`,
    `--ginkgo.timeout=${flags.timeout}m`,
    `--ginkgo.junit-report=${REPORT_THERE}/junit.xml`,
    '--ginkgo.no-color',
    '--ginkgo.v',
    '--disable-log-dump',
    ...(flags.repositories ? [`--kube-test-repo-list=${THERE}/repositories.yaml`] : []),
  ];
  return command.map(quoted).join(' ');
}

function sonobuoyScript(binary: string, flags: Omit<Flags, 'inventory'>): string {
  const sonobuoy = quoted(`${THERE}/binary/${path.basename(binary)}`);
  return `set -e
${sonobuoy} run --wait=${flags.timeout} --plugin e2e --e2e-focus ${quoted(flags.focus)} --e2e-skip ${quoted(flags.skip)}
${sonobuoy} retrieve -f results.tar.gz
tar -xzf results.tar.gz plugins
find plugins -name 'junit*.xml' -exec cp {} junit.xml ';' -quit
${sonobuoy} delete --wait`;
}

/** @returns the JUnit report. @throws EnvironmentError when the tests were not run to an end. */
async function bringReport(machine: Machine, directory: string, said: string): Promise<string> {
  writeFileSync(path.join(directory, 'output.txt'), said);
  const { code, stdout } = await runScript(machine, `cat ${REPORT_THERE}/junit.xml`, {
    timeoutS: 600,
  });
  if (code !== 0) {
    throw new EnvironmentError('the tests ended without a report', {
      hint: `what they said is in ${path.join(directory, 'output.txt')}`,
    });
  }
  writeFileSync(path.join(directory, 'junit.xml'), stdout);
  return stdout;
}

function print(outcomes: readonly Outcome[], directory: string): void {
  const count = (verdict: Outcome['verdict']) =>
    outcomes.filter((outcome) => outcome.verdict === verdict).length;
  for (const { verdict, name } of outcomes) {
    if (verdict !== 'skipped') console.log(`${verdict === 'passed' ? '✓' : '✗'} ${name}`);
  }
  console.log(`the report: ${directory}`);
  console.log(`${count('passed')} passed, ${count('failed')} failed`);
  if (count('failed') > 0 || count('passed') === 0) process.exitCode = 1;
}
