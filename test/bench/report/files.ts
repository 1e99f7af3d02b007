// SPDX-License-Identifier: Apache-2.0
// Where a report is put: a file for programs, one for readers of text, one for a browser. And the documents that show
// the baseline, which scripts/generated-files.ts writes and checks.

import { accessSync, constants, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { EnvironmentError, messageOf } from '../../../agent/errors.ts';
import type { Result } from '../result.ts';
import { html } from './html.ts';
import { markdown } from './markdown.ts';
import { plotSvg } from './plots.ts';
import { BASELINE, readResult } from './read-result.ts';

export interface ReportPaths {
  readonly json: string;
  readonly markdown: string;
  readonly html: string;
}

const MADE = `<!-- Made from test/bench/${path.basename(BASELINE)} by npm run generate: measure it anew instead of editing. -->

`;

/** Beside the JSON, or all three anew; named after the time of the run, so that the one before stays to compare with. */
export function writeReport(
  result: Result,
  directory: string,
  name = `bench-${result.date.slice(0, 19).replaceAll(':', '')}`,
): ReportPaths {
  const fileOf = (extension: string) => path.join(directory, `${name}.${extension}`);
  const paths = { json: fileOf('json'), markdown: fileOf('md'), html: fileOf('html') };
  makeReportDirectory(directory);
  // What was measured is safe before anything is made of it.
  writeFileSync(paths.json, resultJson(result));
  writeFileSync(paths.markdown, markdown(result));
  writeFileSync(paths.html, html(result));
  return paths;
}

/** @throws EnvironmentError when nothing can be written there. */
export function makeReportDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true });
    accessSync(directory, constants.W_OK);
  } catch (error) {
    throw new EnvironmentError(`no report can be written to ${directory}: ${messageOf(error)}`, {
      hint: 'name another directory with --report',
      cause: error,
    });
  }
}

export function resultJson(result: Result): string {
  // Percentiles are rows of a hundred numbers: a line each, and not a hundred.
  const text = JSON.stringify(result, undefined, 1);
  const joined = text.replace(/\[\n\s*-?\d[^\]]*\]/g, (numbers) => numbers.replace(/\s+/g, ' '));
  return `${joined}\n`;
}

/** @param plot the file that the plot is in, as the document names it. */
export function baselineDocument(plot: string, result = readResult('baseline')): string {
  return markdown(result, { head: MADE, plots: { 'connect-ratio': plot } });
}

/** For the README too: on a white panel, in any colour scheme. @throws Error when connect() was not measured. */
export function baselinePlot(result = readResult('baseline')): string {
  const svg = plotSvg(result, 'connect-ratio');
  if (svg === undefined) throw new Error(`${BASELINE} has no connect() through a ClusterIP`);
  return `${svg}\n`;
}
