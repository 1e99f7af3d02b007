// SPDX-License-Identifier: Apache-2.0

import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { follow } from '../../../../scripts/guest/growing-file.ts';

test('all bytes are told once, and while the file grows', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'signalbox-file-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'file');
  writeFileSync(file, '');
  let told = '';
  const { promise: first, resolve } = Promise.withResolvers<void>();
  const following = follow(file, (bytes) => {
    told += bytes;
    resolve();
  });
  appendFileSync(file, 'one ');
  await first;
  t.is(told, 'one ');
  const long = 'x'.repeat(200_000);
  appendFileSync(file, long);
  following.end();
  t.is(told, `one ${long}`);
});
