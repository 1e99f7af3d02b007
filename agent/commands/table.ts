// SPDX-License-Identifier: Apache-2.0
// Columns for people, as kubectl prints them: upper-case heads, no rules, no colours. Cells may hold any text.

import Table from 'cli-table3';
import { printable } from '../printable.ts';
import { say } from './terminal.ts';

/** Between columns. */
const GAP = 3;

/** @param rows cells in the order of `heads`. */
export function formatTable(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const none = '';
  const table = new Table({
    head: [...heads],
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': GAP },
    chars: {
      top: none,
      'top-mid': none,
      'top-left': none,
      'top-right': none,
      bottom: none,
      'bottom-mid': none,
      'bottom-left': none,
      'bottom-right': none,
      left: none,
      'left-mid': none,
      mid: none,
      'mid-mid': none,
      right: none,
      'right-mid': none,
      middle: none,
    },
  });
  for (const row of rows) table.push(row.map(printable));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

export function printTable(heads: readonly string[], rows: readonly (readonly string[])[]): void {
  say(formatTable(heads, rows));
}

/**
 * The lines of the same table, for rows that are many: no row is kept.
 *
 * @param rows goes over them, once for the widths of the columns and once for the lines.
 */
export function* tableLines(
  heads: readonly string[],
  rows: () => Iterable<readonly string[]>,
): Generator<string, void> {
  const widths = heads.map((head) => head.length);
  for (const row of rows()) {
    for (const [i, cell] of row.entries())
      widths[i] = Math.max(widths[i] ?? 0, printable(cell).length);
  }
  const lineOf = (cells: readonly string[]) =>
    cells
      .map((cell, i) => printable(cell).padEnd((widths[i] ?? 0) + GAP))
      .join('')
      .trimEnd();
  yield lineOf(heads);
  for (const row of rows()) yield lineOf(row);
}
