// SPDX-License-Identifier: Apache-2.0
// That each outcome that the programs can count is expected by some row of this folder.

import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { OUTCOMES } from '../../agent/sys/packet-tables.ts';

/** Only a kernel that refuses to change a packet gives these. */
const NOT_TO_BE_HAD = ['dropped_cannot_rewrite'];

test('every outcome has a row', (t) => {
  const files = globSync('*.test.ts', { cwd: import.meta.dirname });
  const rows = files
    .filter((file) => file !== path.basename(import.meta.filename))
    .map((file) => readFileSync(path.join(import.meta.dirname, file), 'utf8'))
    .join('\n');
  const missing = OUTCOMES.filter((outcome) => !rows.includes(`'${outcome}'`));
  t.deepEqual(missing, NOT_TO_BE_HAD);
});
