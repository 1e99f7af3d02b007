// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import { packArchive } from '../../../../scripts/guest/cpio.ts';

/** Reads an archive by the format's description. */
function list(archive: Buffer): readonly (readonly [string, string, string])[] {
  const files: [string, string, string][] = [];
  for (let at = 0; ; ) {
    const field = (number: number) => {
      const from = at + 6 + 8 * number;
      return Number.parseInt(archive.toString('latin1', from, from + 8), 16);
    };
    if (archive.toString('latin1', at, at + 6) !== '070701') throw new Error(`no header at ${at}`);
    const name = archive.toString('utf8', at + 110, at + 110 + field(11) - 1);
    if (name === 'TRAILER!!!') return files;
    const content = Math.ceil((at + 110 + field(11)) / 4) * 4;
    const end = content + field(6);
    files.push([name, field(1).toString(8), archive.toString('utf8', content, end)]);
    at = Math.ceil(end / 4) * 4;
  }
}

test('an archive holds its files, of any length', (t) => {
  const contents = ['', 'a', 'ab', 'abc', 'abcd', 'abcde'];
  const archive = packArchive([
    { name: 'folder', mode: 0o040755 },
    ...contents.map((text) => ({
      name: `folder/${text}`,
      mode: 0o100644,
      content: Buffer.from(text),
    })),
  ]);
  t.deepEqual(list(archive), [
    ['folder', '40755', ''],
    ...contents.map((text) => [`folder/${text}`, '100644', text] as const),
  ]);
});
