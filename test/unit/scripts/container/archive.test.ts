// SPDX-License-Identifier: Apache-2.0
// The image archive is what docker load and its like take.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { packImage } from '../../../../scripts/container/archive.ts';

function temporaryFolder(t: ExecutionContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'image-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
}

test('one layer, a configuration named by its hash, and the name', async (t) => {
  const folder = temporaryFolder(t);
  const root = path.join(folder, 'root');
  mkdirSync(path.join(root, 'usr/bin'), { recursive: true });
  writeFileSync(path.join(root, 'usr/bin/signalbox'), '#!/usr/bin/node\n', { mode: 0o755 });
  const pack = async (name: string) => {
    const file = path.join(folder, name);
    const work = path.join(folder, 'work');
    const about = { version: '1.2.3', architecture: 'arm64', name: 'signalbox:1.2.3' };
    await packImage({ root, work, file, ...about });
    return file;
  };
  const archive = await pack('a.tar');
  t.deepEqual(readFileSync(archive), readFileSync(await pack('b.tar')), 'the same bytes again');

  const extract = (name: string) => execFileSync('tar', ['-xOf', archive, name]);
  const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
  const [manifest] = JSON.parse(extract('manifest.json').toString());
  t.deepEqual(manifest.RepoTags, ['signalbox:1.2.3']);
  const config = extract(manifest.Config);
  t.is(manifest.Config, `${hash(config)}.json`);
  const [layer] = manifest.Layers;
  const { architecture, config: started, rootfs } = JSON.parse(config.toString());
  t.is(architecture, 'arm64');
  t.deepEqual(rootfs.diff_ids, [`sha256:${hash(extract(layer))}`]);
  t.deepEqual(started.Entrypoint, ['/usr/bin/signalbox']);
  const listed = execFileSync('tar', ['-tvf', '-'], { input: extract(layer) }).toString();
  t.regex(listed, /^-rwxr-xr-x 0\/0 +\d+ 1970-01-01 .* \.\/usr\/bin\/signalbox$/m);
});
