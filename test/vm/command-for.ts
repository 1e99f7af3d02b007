// SPDX-License-Identifier: Apache-2.0
// What to type to see a failure in a guest again. Pure.

import type { FileResult } from './result.ts';

/** More than that, and the whole file is run. */
const MOST_TITLES = 5;

/** @returns the command that runs what has failed once more, in a guest of its own. */
export function commandFor(kernel: string, { suite, file, failed }: FileResult): string {
  if (!file.endsWith('.test.ts'))
    return `npm run test:kernels -- --kernel ${kernel} --only ${suite}`;
  const titles = failed.map(({ title }) => title);
  const isWhole = titles.length > MOST_TITLES || titles.includes(file);
  const matches = isWhole ? [] : titles.map((title) => ` --match ${quoted(pattern(title))}`);
  return `scripts/vm --kernel ${kernel} --memory 3000 --timeout 1200 node_modules/.bin/ava --serial --timeout=10m ${file}${matches.join('')}`;
}

/** AVA takes `*` for anything and `!` for all others. */
function pattern(title: string): string {
  return title.replace(/^!/, '*');
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
