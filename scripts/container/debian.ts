// SPDX-License-Identifier: Apache-2.0
// Packages of the distribution, unpacked into a folder with all that they depend on: nothing is installed, no script of
// theirs runs, and the machine's own list of packages stays as it is. For any processor, from the machine's sources.

import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { run } from './steps.ts';

/** What libraries and programs were moved to long ago; packages may still name the old places. */
const MERGED = ['bin', 'sbin', 'lib', 'lib64'];

/** Of no use without a person in front of it, but for the licences in doc/PACKAGE/copyright. */
const LEFT_OUT = [
  './usr/share/man',
  './usr/share/locale',
  './usr/share/lintian',
  './usr/share/bug',
  './usr/share/doc/*/*.gz',
  './usr/share/doc/*/examples',
  './usr/share/doc-base',
  './usr/lib/*/gconv',
  './usr/lib/*/perl-base',
];

export interface Unpacking {
  readonly packages: readonly string[];
  /** As the distribution calls it: amd64, arm64. */
  readonly architecture: string;
  /** A folder for lists and packages, kept for the next time. */
  readonly cache: string;
  readonly root: string;
}

/** @returns names of the files that were unpacked, with versions. @throws Error with apt's or dpkg's own words. */
export async function unpackPackages(wanted: Unpacking): Promise<readonly string[]> {
  const { packages, architecture, cache, root } = wanted;
  for (const folder of ['state/lists/partial', 'cache/archives/partial', 'none/partial'])
    mkdirSync(path.join(cache, folder), { recursive: true });
  // Of this pretended machine nothing is installed yet.
  writeFileSync(path.join(cache, 'status'), '');
  const options = {
    'APT::Architecture': architecture,
    'APT::Architectures': architecture,
    'APT::Sandbox::User': 'root',
    'APT::Install-Recommends': 'false',
    'Dir::State': path.join(cache, 'state'),
    'Dir::State::status': path.join(cache, 'status'),
    'Dir::Cache': path.join(cache, 'cache'),
  };
  const apt = (...args: readonly string[]) => {
    const settings = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
    return run('apt-get', ['-qq', ...settings, ...args]);
  };
  await apt('update');
  // It names only those that it would fetch: as if none were there yet.
  const nothing = `Dir::Cache::archives=${path.join(cache, 'none')}`;
  const uris = await apt('-y', '-o', nothing, '--print-uris', 'install', ...packages);
  const files = [...uris.matchAll(/^'\S+' (\S+\.deb) /gm)].map(([, file = '']) => file);
  await apt('-y', '--download-only', 'install', ...packages);

  mkdirSync(path.join(root, 'usr'), { recursive: true });
  for (const name of MERGED) {
    mkdirSync(path.join(root, 'usr', name), { recursive: true });
    symlinkSync(`usr/${name}`, path.join(root, name));
  }
  if (files.length === 0)
    throw new Error(`apt-get names no files for ${packages.join(' ')}:\n${uris}`);
  const archives = path.join(cache, 'cache/archives');
  const there = new Set(readdirSync(archives));
  for (const file of files) {
    if (!there.has(file)) throw new Error(`apt-get has not brought ${file}`);
    await unpack(path.join(archives, file), root);
  }
  return files;
}

async function unpack(archive: string, root: string): Promise<void> {
  const left = LEFT_OUT.map((pattern) => `--exclude=${pattern}`);
  await run('sh', [
    '-c',
    'set -e; dpkg-deb --fsys-tarfile "$0" | tar -x --keep-directory-symlink --no-same-owner -C "$@"',
    archive,
    root,
    ...left,
  ]);
}
