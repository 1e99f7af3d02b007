// SPDX-License-Identifier: Apache-2.0
// Packages of the distribution, unpacked into a folder with all that they depend on: nothing is installed, no script of
// theirs runs, and the machine's own list of packages stays as it is. For any processor, from the machine's sources.

import { mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { run } from '../command.ts';
import { openApt } from '../debian/apt.ts';

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
  const apt = openApt({ architecture, cache });
  const none = path.join(cache, 'none');
  mkdirSync(path.join(none, 'partial'), { recursive: true });
  await apt.get(['update']);
  // It names only those that it would fetch: as if none were there yet.
  const nothing = `Dir::Cache::archives=${none}`;
  const uris = await apt.get(['-y', '-o', nothing, '--print-uris', 'install', ...packages]);
  const files = [...uris.matchAll(/^'\S+' (\S+\.deb) /gm)].map(([, file = '']) => file);
  await apt.get(['-y', '--download-only', 'install', ...packages]);

  mkdirSync(path.join(root, 'usr'), { recursive: true });
  for (const name of MERGED) {
    mkdirSync(path.join(root, 'usr', name), { recursive: true });
    symlinkSync(`usr/${name}`, path.join(root, name));
  }
  if (files.length === 0)
    throw new Error(`apt-get names no files for ${packages.join(' ')}:\n${uris}`);
  const there = new Set(readdirSync(apt.archives));
  for (const file of files) {
    if (!there.has(file)) throw new Error(`apt-get has not brought ${file}`);
    await unpack(path.join(apt.archives, file), root);
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
