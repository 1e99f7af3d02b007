// SPDX-License-Identifier: Apache-2.0
// What of node_modules goes into the image.

import { globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { packagesIn, prune } from '../../../../scripts/container/modules.ts';

function folderWith(t: ExecutionContext, files: readonly string[]): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'modules-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  for (const file of files) {
    mkdirSync(path.join(folder, path.dirname(file)), { recursive: true });
    writeFileSync(path.join(folder, file), '{ "name": "one", "version": "1.2.3" }');
  }
  return folder;
}

function filesIn(folder: string): readonly string[] {
  return globSync('**/*', { cwd: folder, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => path.relative(folder, path.join(parentPath, name)))
    .sort();
}

test('a package of which something is loaded stays, without what only people and compilers read', (t) => {
  const folder = folderWith(t, [
    'one/package.json',
    'one/LICENSE',
    'one/README.md',
    'one/index.js',
    'one/index.js.map',
    'one/index.d.ts',
    'one/lazy.js',
    'one/licenses/deep.js',
    'other/package.json',
    'other/LICENSE',
    'other/index.js',
    '@scope/mine/package.json',
    '@scope/mine/index.cjs',
    '@scope/not/package.json',
  ]);
  prune(folder, ['one/index.js', '@scope/mine/index.cjs']);
  t.deepEqual(filesIn(folder), [
    '@scope/mine/index.cjs',
    '@scope/mine/package.json',
    'one/LICENSE',
    'one/index.js',
    'one/lazy.js',
    'one/licenses/deep.js',
    'one/package.json',
  ]);
  t.deepEqual(globSync('{*,@*/*}', { cwd: folder }).sort(), ['@scope', '@scope/mine', 'one']);
  t.deepEqual(packagesIn(folder), ['one@1.2.3', 'one@1.2.3']);
});

test('of the Kubernetes client just the files that are loaded; of koffi the one for the processor', (t) => {
  const folder = folderWith(t, [
    '@kubernetes/client-node/package.json',
    '@kubernetes/client-node/LICENSE',
    '@kubernetes/client-node/dist/config_types.js',
    '@kubernetes/client-node/dist/index.js',
    '@kubernetes/client-node/node_modules/inner/package.json',
    '@koromix/koffi-linux-arm64/package.json',
    '@koromix/koffi-linux-arm64/linux_arm64/koffi.node',
  ]);
  prune(folder, ['@kubernetes/client-node/dist/config_types.js']);
  t.deepEqual(filesIn(folder), [
    '@koromix/koffi-linux-arm64/linux_arm64/koffi.node',
    '@koromix/koffi-linux-arm64/package.json',
    '@kubernetes/client-node/LICENSE',
    '@kubernetes/client-node/dist/config_types.js',
    '@kubernetes/client-node/package.json',
  ]);
});
