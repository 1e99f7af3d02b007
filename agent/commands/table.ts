// SPDX-License-Identifier: Apache-2.0
// Columns for people, as kubectl prints them: upper-case heads, no rules, no colours.

import Table from 'cli-table3';

/** @param rows cells in the order of `heads`. */
export function formatTable(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const none = '';
  const table = new Table({
    head: [...heads],
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 3 },
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
  table.push(...rows.map((row) => [...row]));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

export function printTable(heads: readonly string[], rows: readonly (readonly string[])[]): void {
  console.log(formatTable(heads, rows));
}
