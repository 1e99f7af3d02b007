// SPDX-License-Identifier: Apache-2.0
// Asks `signalbox doctor` about the guest itself, for in-guest.ts. A guest is a node on which nothing is wrong: what
// there may be to say is what its kernel is too old for, and that has to be said.

import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../../agent/errors.ts';
import { ROOT } from '../../scripts/command.ts';
import type { Outcome } from '../../scripts/testing/tally.ts';
import { hasKernel } from '../helpers/requirements.ts';
import type { FindingResult } from './result.ts';

const SUBJECT = 'the guest itself';

interface Examined {
  readonly outcomes: readonly Outcome[];
  readonly findings: readonly FindingResult[];
}

/** Never throws. */
export async function examineGuest(): Promise<Examined> {
  try {
    const main = path.join(ROOT, 'agent/main.ts');
    const { stdout } = await promisify(execFile)(process.execPath, [main, 'doctor', '-o', 'json']);
    const { findings } = JSON.parse(stdout) as { findings: readonly FindingResult[] };
    return { outcomes: [judge(findings)], findings: findings.map(shortened) };
  } catch (error) {
    const { stdout = '' } = error as { stdout?: string };
    const reason = `${messageOf(error)}\n${stdout}`;
    return { outcomes: [{ verdict: 'failed', subject: SUBJECT, reason }], findings: [] };
  }
}

function judge(findings: readonly FindingResult[]): Outcome {
  const expected = [
    ...(hasKernel('TCX') ? [] : ['no-tcx']),
    ...(hasKernel('bpf_sock_destroy') ? [] : ['no-socket-destroyer']),
  ];
  const ids = findings.map(({ id }) => id);
  if (ids.join() === expected.join()) return { verdict: 'passed', subject: SUBJECT };
  const reason = `doctor says [${ids.join(' ')}] and should say [${expected.join(' ')}]: ${JSON.stringify(findings)}`;
  return { verdict: 'failed', subject: SUBJECT, reason };
}

/** Without the words for people, which docs/doctor.md has. */
function shortened({ id, severity, found }: FindingResult): FindingResult {
  return { id, severity, found };
}
