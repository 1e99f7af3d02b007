// SPDX-License-Identifier: Apache-2.0
// `signalbox doctor`: what this node's kernel, mounts, settings and other software allow, and the cure of what they do
// not. Needs no agent. For people, and with -o json for programs.

import { styleText } from 'node:util';
import { Command } from 'commander';
import { type Finding, MESSAGES, type Severity, severityOf } from '../doctor/finding.ts';
import { judge } from '../doctor/judge.ts';
import { type ProbeOptions, probe } from '../doctor/probe.ts';
import { printable } from '../printable.ts';
import { bpffsOption, outputOption, procOption } from './options.ts';
import { say, sayJson } from './terminal.ts';

interface Options {
  readonly bpffs: string;
  readonly cgroup?: string;
  readonly proc: string;
  readonly trial: boolean;
  readonly output: 'table' | 'json';
  readonly json?: boolean;
}

/** Worst first. */
const SEVERITIES: readonly Severity[] = ['error', 'warning', 'note'];

const STYLES = { error: 'red', warning: 'yellow', note: 'dim' } as const;

/** By the worst that was found. 2 is a wrong command line. */
const EXIT_CODES = { error: 1, warning: 3, note: 0 } as const;

const INDENT = ' '.repeat(9);

export function command(): Command {
  return new Command('doctor')
    .description('whether this node allows what Signalbox does; each problem with its cure')
    .addOption(bpffsOption())
    .option(
      '--cgroup <dir>',
      'cgroup v2 directory to look at (default: the root, wherever mounted)',
    )
    .addOption(procOption())
    .option('--no-trial', 'do not ask the kernel whether it takes the programs')
    .addOption(outputOption())
    .option('--json', 'as -o json')
    .addHelpText('after', '\nExit code: 0 nothing, or notes; 3 warnings; 1 errors.')
    .action(run);
}

async function run({ bpffs, cgroup, proc, trial, output, json }: Options): Promise<void> {
  const findings = await examine({ bpffs, cgroup, proc, isTried: trial });
  if (json || output === 'json') {
    const shown = findings.map(({ id, found }) => ({ id, found, ...MESSAGES[id] }));
    sayJson({ findings: shown });
  } else {
    for (const finding of findings) say(text(finding));
    say(summary(findings));
  }
  const [worst] = findings;
  process.exitCode = worst ? EXIT_CODES[severityOf(worst)] : 0;
}

async function examine(options: ProbeOptions): Promise<Finding[]> {
  if (process.getuid?.() !== 0) return [{ id: 'not-root', found: '' }];
  const findings = judge(await probe(options));
  return SEVERITIES.flatMap((severity) =>
    findings.filter((finding) => severityOf(finding) === severity),
  );
}

function text(finding: Finding): string {
  const { severity, title, means, cure } = MESSAGES[finding.id];
  const label = styleText(STYLES[severity], severity.toUpperCase().padEnd(INDENT.length));
  return [
    label + title + (finding.found && `: ${printable(finding.found)}`),
    `${INDENT}${means}`,
    `${INDENT}> ${cure}`,
    '',
  ].join('\n');
}

function summary(findings: readonly Finding[]): string {
  if (findings.length === 0) return 'Nothing is in the way of Signalbox on this node.';
  const counts = SEVERITIES.flatMap((severity) => {
    const count = findings.filter((finding) => severityOf(finding) === severity).length;
    return count ? `${count} ${severity}${count === 1 ? '' : 's'}` : [];
  });
  return `${counts.join(', ')}.`;
}
