// SPDX-License-Identifier: Apache-2.0
// An apt of its own: lists and packages in a folder, a pretended machine on which nothing is installed. Nothing of this
// machine's packages changes; its proxies and its settings about signatures hold. For scripts/image and scripts/vm.

import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { run } from '../command.ts';

export interface AptOptions {
  /** As the distribution calls it: amd64, arm64. */
  readonly architecture: string;
  /** A folder for lists and packages, kept for the next time. */
  readonly cache: string;
  /** The text of a sources.list, in place of this machine's own sources and of its pins. */
  readonly sources?: string;
}

export interface PrivateApt {
  /** Where downloaded packages are kept by `get(['install', '--download-only', ...])`. */
  readonly archives: string;
  /** Runs apt-get, in a folder. @returns what it said. @throws Error with its own words. */
  readonly get: (args: readonly string[], cwd?: string) => Promise<string>;
  /** Runs apt-cache. */
  readonly query: (args: readonly string[]) => Promise<string>;
}

export function openApt({ architecture, cache, sources }: AptOptions): PrivateApt {
  for (const folder of ['state/lists/partial', 'cache/archives/partial'])
    mkdirSync(path.join(cache, folder), { recursive: true });
  // Of this pretended machine nothing is installed yet.
  writeFileSync(path.join(cache, 'status'), '');
  const list = path.join(cache, 'sources.list');
  if (sources !== undefined) writeFileSync(list, sources);
  const options: Readonly<Record<string, string>> = {
    'APT::Architecture': architecture,
    'APT::Architectures': architecture,
    'APT::Sandbox::User': 'root',
    'APT::Install-Recommends': 'false',
    'Dir::State': path.join(cache, 'state'),
    'Dir::State::status': path.join(cache, 'status'),
    'Dir::Cache': path.join(cache, 'cache'),
    ...(sources !== undefined && {
      'Dir::Etc::sourcelist': list,
      'Dir::Etc::sourceparts': '/dev/null',
      'Dir::Etc::preferences': '/dev/null',
      'Dir::Etc::preferencesparts': '/dev/null',
    }),
  };
  // Read after this machine's own configuration.
  const file = path.join(cache, 'apt.conf');
  const lines = Object.entries(options).map(([name, value]) => `${name} "${value}";\n`);
  writeFileSync(file, lines.join(''));
  return {
    archives: path.join(cache, 'cache/archives'),
    get: (args, cwd) => run('apt-get', ['-qq', '-c', file, ...args], cwd),
    query: (args) => run('apt-cache', ['-c', file, ...args]),
  };
}
