// SPDX-License-Identifier: Apache-2.0
// What doctor finds when the agent starts. It refuses nothing: an agent that works by half serves more than none, and
// what it cannot do without ends it where it is missed, with the same cure. Called by agent.ts.

import type { AgentConfig } from '../config/agent-config.ts';
import { type Finding, MESSAGES, severityOf } from '../doctor/finding.ts';
import { judge } from '../doctor/judge.ts';
import { probeAtStart } from '../doctor/probe.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Problems } from './problems.ts';

/** Whoever asks for `status` is told of these as they are then. */
const TOLD_ELSEWHERE = ['forwarding-off', 'ports-not-reserved', 'conntrack-nearly-full'];

/** Logs what is in the way, and leaves it for `status`. Writes nothing, never throws; some milliseconds. */
export function examineNode(
  { bpffs, cgroup, proc }: AgentConfig,
  log: Logger,
  warnings: Problems,
): void {
  const findings = judge(probeAtStart({ bpffs, cgroup, proc })).filter(
    (finding) => severityOf(finding) !== 'note' && !TOLD_ELSEWHERE.includes(finding.id),
  );
  for (const finding of findings) {
    const { severity, title, cure } = MESSAGES[finding.id];
    const { id, found } = finding;
    log[severity === 'error' ? 'error' : 'warn'](
      { finding: id, title, ...(found && { found }), cure },
      'this node is not as it should be',
    );
  }
  // Of programs AgentKeepers goes on telling, as they come and go.
  const lasting = findings.filter(({ id }) => id !== 'foreign-programs');
  warnings.set('node', lasting.map(lineOf));
}

function lineOf({ id, found }: Finding): string {
  const { title, cure } = MESSAGES[id];
  return `${title}${found && `: ${found}`}. ${cure}`;
}
