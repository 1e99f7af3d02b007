// SPDX-License-Identifier: Apache-2.0
// A row of docs/faults.md is a test and what it measured: each fault of test/faults/registry.ts has a test that names it,
// figures of a run, and no figures are of a fault or of a file that is not there any more.

import type { FaultResults } from '../../test/faults/results.ts';
import type { SourceFile } from './source-files.ts';

/** @param ids of the registry. @param files of the whole tree. @returns one line for each that is missing. */
export function faultRowProblems(
  ids: readonly string[],
  files: readonly SourceFile[],
  { lines }: Pick<FaultResults, 'lines'>,
): readonly string[] {
  const tests = files.filter(
    ({ path, text }) => path.endsWith('.test.ts') && text.includes('faultTest('),
  );
  const names = ({ text }: SourceFile, id: string) => text.includes(`'${id}'`);
  const measured = new Set<string>(lines.map(({ id }) => id));
  const untested = ids.filter((id) => !tests.some((file) => names(file, id)));
  const unmeasured = ids.filter((id) => !untested.includes(id) && !measured.has(id));
  const stale = lines.filter(
    ({ id, file }) => !tests.some((test) => test.path === file && names(test, id)),
  );
  return [
    ...untested.map((id) => `test/faults/registry.ts: no test names ${id}`),
    ...unmeasured.map((id) => `test/faults/results.json: no figures of ${id}: ${AGAIN}`),
    ...stale.map(
      ({ id, file }) => `test/faults/results.json: ${file} has no test of ${id}: ${AGAIN}`,
    ),
  ];
}

const AGAIN = 'node test/faults/record.ts';
