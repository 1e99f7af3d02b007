// SPDX-License-Identifier: Apache-2.0
// docs/doctor.md's list of messages, from where `signalbox doctor` has them. Pure.

import { MESSAGES, type Message, type Severity } from '../../agent/doctor/finding.ts';

const HEADS: readonly (readonly [Severity, string])[] = [
  ['error', 'Errors: Signalbox cannot work so'],
  ['warning', 'Warnings: some connections may fail'],
  ['note', 'Notes'],
];

/** Markdown: each message with what it means and its cure, worst first. */
export function doctorMessages(): string {
  const messages = Object.entries<Message>(MESSAGES);
  return HEADS.map(([severity, head]) =>
    [
      `## ${head}`,
      ...messages
        .filter(([, message]) => message.severity === severity)
        .map(([id, { title, means, cure }]) =>
          [`### ${id}`, `*${title}*`, means, `**Cure:** ${cure}`].join('\n\n'),
        ),
    ].join('\n\n'),
  ).join('\n\n');
}
