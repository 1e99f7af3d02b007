// SPDX-License-Identifier: Apache-2.0
// A result as Markdown, for a terminal or a repository. Pure.

import { markdownTable } from 'markdown-table';
import type { Result } from '../result.ts';
import { makePage } from './make-page.ts';
import { type Block, BUDGET_HEADS, budgetCells, type Table } from './page.ts';
import type { PlotName } from './plot-names.ts';
import { PLOT_TITLES } from './plot-titles.ts';

/** Where a link to a picture of a plot leads; plots without one are left out. */
export type PlotFiles = Partial<Readonly<Record<PlotName, string>>>;

/** @param head stands above everything, as a licence line does. */
export function markdown(
  result: Result,
  { plots = {}, head = '' }: { plots?: PlotFiles; head?: string } = {},
): string {
  const page = makePage(result);
  const parts = [
    `# ${plain(page.title)}`,
    page.headlines
      .map(
        ({ what, signalbox, kubeProxy }) =>
          `- **${plain(signalbox)}**: ${plain(what)}. ${plain(kubeProxy)}`,
      )
      .join('\n'),
    ...page.chapters.flatMap(({ title, blocks }) => [
      `## ${plain(title)}`,
      ...blocks.map((block) => blockText(block, plots)),
    ]),
  ];
  return `${head}${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

function blockText(block: Block, plots: PlotFiles): string {
  switch (block.kind) {
    case 'text':
      return plain(block.text);
    case 'list':
      return block.items.map((item) => `- ${plain(item)}`).join('\n');
    case 'budgets':
      return tableText({ heads: BUDGET_HEADS, words: 6, rows: block.rows.map(budgetCells) });
    case 'table':
      return `${block.caption === '' ? '' : `**${plain(block.caption)}**\n\n`}${tableText(block)}`;
    case 'plots':
      return block.names
        .flatMap((name) => {
          const file = plots[name];
          return file === undefined ? [] : [`![${plain(PLOT_TITLES[name])}](${file})`];
        })
        .join('\n\n');
  }
}

function tableText({ heads, words, rows }: Omit<Table, 'caption'>): string {
  return markdownTable(
    [heads, ...rows].map((row) => row.map(plain)),
    {
      align: heads.map((_, i) => (i < words ? 'l' : 'r')),
    },
  );
}

/** What a run brings along, labels of processors and kernels, is text and nothing else. */
function plain(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .replace(/[\\`*_[\]|]/g, '\\$&')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;');
}
