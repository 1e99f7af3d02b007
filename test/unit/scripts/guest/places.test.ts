// SPDX-License-Identifier: Apache-2.0

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { kernelInDirectory, kernelsDirectory } from '../../../../scripts/guest/places.ts';

test('kernels are kept where caches are', (t) => {
  t.is(kernelsDirectory({ XDG_CACHE_HOME: '/c' }), '/c/signalbox/kernels');
  t.is(kernelsDirectory({ XDG_CACHE_HOME: '/c', SIGNALBOX_KERNELS: '/k' }), '/k');
  t.true(kernelsDirectory({}).endsWith('/.cache/signalbox/kernels'));
});

test('a folder is a kernel when it has all that belongs to one', (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'signalbox-kernel-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  t.throws(() => kernelInDirectory(folder), { message: /is no kernel to boot/ });
  mkdirSync(path.join(folder, 'lib/modules/6.6.6-own'), { recursive: true });
  t.throws(() => kernelInDirectory(folder), { message: /has to hold vmlinux/ });
  writeFileSync(path.join(folder, 'vmlinux'), '');
  const { release, directory } = kernelInDirectory(path.relative('.', folder));
  t.deepEqual({ release, directory }, { release: '6.6.6-own', directory: folder });
  mkdirSync(path.join(folder, 'lib/modules/6.6.7'));
  t.throws(() => kernelInDirectory(folder), { message: /found 2/ });
});
