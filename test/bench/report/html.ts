// SPDX-License-Identifier: Apache-2.0
// A result as one HTML page that needs nothing else: no scripts, no fonts, no requests. For screens of any width, dark
// ones, and paper. Pure.

import type { BudgetRow, Result } from '../result.ts';
import { makePage } from './make-page.ts';
import { type Block, BUDGET_HEADS, budgetCells, type Headline, type Table } from './page.ts';
import type { PlotName } from './plot-names.ts';
import { plotSvg } from './plots.ts';
import { STYLE } from './style.ts';
import { escapeXml } from './svg-plot.ts';

export function html(result: Result): string {
  const page = makePage(result);
  const chapters = page.chapters.map(({ title, blocks }, at) => {
    const parts = blocks.map((block) => blockHtml(block, result)).join('\n');
    return `<section id="s${at}">\n<h2>${text(title)}</h2>\n${parts}\n</section>`;
  });
  const contents = page.chapters
    .map(({ title }, at) => `<li><a href="#s${at}">${text(title)}</a></li>`)
    .join('\n');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${text(page.title)}, ${text(result.date.slice(0, 10))}</title>
<style>
${STYLE}</style>
</head>
<body>
<main>
<h1>${text(page.title)}</h1>
<div class="headlines">
${page.headlines.map(headlineHtml).join('\n')}
</div>
<nav aria-label="Chapters"><ul>
${contents}
</ul></nav>
${chapters.join('\n')}
</main>
</body>
</html>
`;
}

function headlineHtml({ what, signalbox, kubeProxy }: Headline): string {
  return `<p><strong>${text(signalbox)}</strong> <span>${text(what)}</span> <small>${text(kubeProxy)}</small></p>`;
}

function blockHtml(block: Block, result: Result): string {
  switch (block.kind) {
    case 'text':
      return `<p>${text(block.text)}</p>`;
    case 'list':
      return `<ul>\n${block.items.map((item) => `<li>${text(item)}</li>`).join('\n')}\n</ul>`;
    case 'budgets':
      return budgetsHtml(block.rows);
    case 'table':
      return tableHtml(block);
    case 'plots':
      return block.names.map((name) => plotHtml(result, name)).join('\n');
  }
}

function plotHtml(result: Result, name: PlotName): string {
  const svg = plotSvg(result, name);
  return svg === undefined ? '' : `<figure class="wide" tabindex="0">\n${svg}\n</figure>`;
}

function budgetsHtml(rows: readonly BudgetRow[]): string {
  const body = rows
    .map((row) => {
      const [what = '', ...cells] = budgetCells(row);
      const verdict = row.isMet === undefined ? 'open' : row.isMet ? 'met' : 'missed';
      const rest = cells
        .map((cell, at) => `<td data-head="${text(BUDGET_HEADS[at + 1] ?? '')}">${text(cell)}</td>`)
        .join('');
      return `<tr class="${verdict}"><th scope="row">${text(what)}</th>${rest}</tr>`;
    })
    .join('\n');
  return tableFrame('', BUDGET_HEADS, BUDGET_HEADS.length, body, ' class="budgets"');
}

function tableHtml({ caption, heads, words, rows }: Table): string {
  const body = rows
    .map((row) => {
      const cells = row.map((cell, at) => `<td${numeric(at, words)}>${text(cell)}</td>`);
      return `<tr>${cells.join('')}</tr>`;
    })
    .join('\n');
  return tableFrame(caption, heads, words, body);
}

function tableFrame(
  caption: string,
  heads: readonly string[],
  words: number,
  body: string,
  attributes = '',
): string {
  const head = heads
    .map((cell, at) => `<th scope="col"${numeric(at, words)}>${text(cell)}</th>`)
    .join('');
  return `<div class="wide" tabindex="0"><table${attributes}>
${caption === '' ? '' : `<caption>${text(caption)}</caption>\n`}<thead><tr>${head}</tr></thead>
<tbody>
${body}
</tbody>
</table></div>`;
}

function numeric(at: number, words: number): string {
  return at < words ? '' : ' class="number"';
}

/** A number and its unit stay on one line. */
function text(raw: string): string {
  return escapeXml(raw).replace(/(?<=\d) (?=(?:[µmn]?s|Mi?B|%|×)(?![\w]))/g, '\u00a0');
}
