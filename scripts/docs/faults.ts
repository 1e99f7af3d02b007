// SPDX-License-Identifier: Apache-2.0
// docs/faults.md: every fault of test/faults/registry.ts with what its tests measured, as test/faults/results.json has
// it. Pure, but for reading that.

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { markdownTable } from 'markdown-table';
import type { FaultLine } from '../../test/faults/fault-test.ts';
import { FAULTS, type Fault, type FaultId } from '../../test/faults/registry.ts';
import type { FaultResults } from '../../test/faults/results.ts';

const RESULTS = path.join(import.meta.dirname, '../../test/faults/results.json');

/** Without a run there is no document. */
export const FAULT_FILES: readonly { readonly file: string; readonly text: () => string }[] =
  existsSync(RESULTS)
    ? [
        {
          file: 'docs/faults.md',
          text: () => faultDocument(JSON.parse(readFileSync(RESULTS, 'utf8')) as FaultResults),
        },
      ]
    : [];

export function faultDocument({ date, kernel, processors, lines }: FaultResults): string {
  const byId = Map.groupBy(lines, ({ id }) => id);
  const faults = Object.entries(FAULTS) as [FaultId, Fault][];
  const groups = Map.groupBy(faults, ([, { group }]) => group);
  const sections = [...groups].map(([group, members]) => {
    const rows = members.map(([id, fault]) => rowOf(fault, byId.get(id) ?? []));
    return `## ${group}\n\n${markdownTable([HEADS, ...rows])}`;
  });
  return `<!-- Made from test/faults by npm run generate: run node test/faults/record.ts instead of editing. -->

# Faults

What may happen to a node, how a test brings it about, what is promised then, and what the test measured. The promise is what the test
asserts; figures are those of one run, on ${date}, with Linux ${kernel} on ${processors} processors. Every one of the ${faults.length}
faults has a test and figures: a gate sees to it.

"Failed" counts connections, datagrams and look-ups that were tried while the fault was there and did not get the answer they had a right to;
"lost" long-lived connections that ended; "repaired" is the longest time from the fault to all being as it should be.

\`\`\`
node test/faults/record.ts && npm run generate    # this page anew
\`\`\`

${sections.join('\n\n')}
`;
}

const HEADS = ['fault', 'injected', 'promised', 'measured', 'test'];

function rowOf({ fault, injected, promise }: Fault, lines: readonly FaultLine[]): string[] {
  const files = [...new Set(lines.map(({ file }) => `\`${file}\``))];
  return [
    fault,
    injected,
    promise,
    lines.map(figuresOf).join('<br>') || '-',
    files.join('<br>') || '-',
  ];
}

/** One line of a cell: what does not apply to a test is left out. */
function figuresOf({ injections, attempts, failed, lost, repairMs, note }: FaultLine): string {
  const parts = [
    injections !== undefined && (injections === 1 ? 'once' : `${thousands(injections)} times`),
    attempts !== undefined && `${thousands(attempts)} attempts`,
    failed !== undefined && `${thousands(failed)} failed`,
    lost !== undefined && `${thousands(lost)} lost`,
    repairMs !== undefined && `repaired in ${thousands(Math.round(repairMs))} ms`,
    note,
  ];
  return parts.filter(Boolean).join(', ') || 'held';
}

function thousands(count: number): string {
  return count.toLocaleString('en-US');
}
