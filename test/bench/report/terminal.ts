// SPDX-License-Identifier: Apache-2.0
// What `npm run bench` says at its end: every budget, the numbers that matter, where the report is. formatSummary is
// pure; colours are only for a terminal that wants them.

import path from 'node:path';
import { styleText } from 'node:util';
import { formatTable } from '../../../agent/commands/table.ts';
import type { BudgetRow, Result } from '../result.ts';
import type { ReportPaths } from './files.ts';
import { headlines } from './headlines.ts';
import { verdictText } from './page.ts';

const HEADS = ['BUDGET OF', 'DIRECT', 'KUBE-PROXY AT BEST', 'BUDGET', 'SIGNALBOX', 'MET'];
/** What is in brackets is for the report, a terminal has no room for it; but that something only stands in. */
const BRACKET = / \((?!stand-in)[^()]*\)/g;

/** What stands in is called that in brackets, and explained in a note. */
const STAND_IN = /rules shaped like kube-proxy['’]s, /g;

export function printSummary(result: Result, paths: ReportPaths): void {
  console.log(formatSummary(result, paths, process.stdout.hasColors?.() ?? false));
}

export function formatSummary(result: Result, paths: ReportPaths, hasColors: boolean): string {
  const table = formatTable(HEADS, result.budgets.map(cells));
  const lines = table.split('\n').map((line, at) => {
    const row = result.budgets[at - 1];
    return hasColors && row ? coloured(line, row) : line;
  });
  const numbers = headlines(result).map(
    ({ what, signalbox, kubeProxy }) => `  ${signalbox}: ${what}; ${kubeProxy}`,
  );
  const notes = result.notes.map((note) => `- ${note}`);
  const files = [paths.html, paths.markdown, paths.json].map((file) => {
    const near = path.relative(process.cwd(), file);
    return `  ${near.startsWith('..') ? path.resolve(file) : near}`;
  });
  return [
    '',
    ...lines,
    '',
    ...numbers,
    ...(notes.length > 0 ? ['', ...notes] : []),
    '',
    'The report, with tables, plots and how it was measured:',
    ...files,
  ].join('\n');
}

function cells(row: BudgetRow): string[] {
  const short = (text: string) => text.replace(BRACKET, '');
  const best = (text: string) => text.replace(/;.*/s, '').replace(STAND_IN, '');
  return [
    row.what,
    row.direct,
    best(short(row.kubeProxy)),
    short(row.budget),
    short(row.measured),
    verdictText(row),
  ];
}

function coloured(line: string, row: BudgetRow): string {
  if (row.isMet === undefined) return styleText('dim', line, { validateStream: false });
  const verdict = verdictText(row);
  const at = line.lastIndexOf(verdict);
  const colour = row.isMet ? 'green' : 'red';
  return line.slice(0, at) + styleText(colour, verdict, { validateStream: false });
}
