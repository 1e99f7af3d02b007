// SPDX-License-Identifier: Apache-2.0
// The manifests of one folder, and which of them have changed since the last look. Used by
// manifest-source.ts. A file that cannot be read keeps the objects it had.

import type { BigIntStats } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import { type ManifestObject, parseManifest } from './manifest-file.ts';

const EXTENSION = /\.(yaml|yml|json)$/;

/** File systems count time in ticks: a file that was written this shortly before it was read may be written again unseen. */
const TICK_NS = 100_000_000n;

export interface ManifestFile {
  readonly path: string;
  /** What is in force: of the last time the file could be read. */
  readonly objects: readonly ManifestObject[];
  /** Why the file, or something in it, is not in force. */
  readonly problem?: string;
}

interface KnownFile extends ManifestFile {
  /** Differs whenever the content may differ; undefined: cannot tell, read again. */
  readonly version: string | undefined;
}

export interface ManifestFolder {
  /**
   * Reads what has changed. Not to be called while a call is under way.
   *
   * @returns the files by name, the same object for a file that has not changed.
   * @throws the system's error when the folder cannot be read.
   */
  read(): Promise<readonly ManifestFile[]>;
}

export function createManifestFolder(dir: string): ManifestFolder {
  let known = new Map<string, KnownFile>();
  return {
    async read() {
      const names = (await readdir(dir)).filter((name) => isManifest(name)).sort();
      const next = new Map<string, KnownFile>();
      for (const name of names) {
        const file = await readManifest(join(dir, name), known.get(name));
        if (file) next.set(name, file);
      }
      known = next;
      return [...next.values()];
    },
  };
}

/** Dot files are editors' copies, and the timestamped folders of a mounted ConfigMap. */
function isManifest(name: string): boolean {
  return EXTENSION.test(name) && !name.startsWith('.');
}

/** @returns undefined when there is no such file. */
async function readManifest(
  path: string,
  before: KnownFile | undefined,
): Promise<KnownFile | undefined> {
  const objects = before?.objects ?? [];
  try {
    const stats = await stat(path, { bigint: true });
    if (!stats.isFile()) return undefined;
    const version = versionOf(stats);
    if (before && version !== undefined && version === before.version) return before;
    const text = await readFile(path, 'utf8');
    const manifest = parseManifest(text, path.endsWith('.json') ? 'json' : 'yaml');
    if ('unreadable' in manifest) {
      return { path, version, objects, problem: `${manifest.unreadable}${keeping(objects)}` };
    }
    const problem = manifest.problems.join('; ');
    return { path, version, objects: manifest.objects, ...(problem ? { problem } : {}) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    const problem = `${messageOf(error)}${keeping(objects)}`;
    return { path, version: undefined, objects, problem };
  }
}

function versionOf(stats: BigIntStats): string | undefined {
  const now = BigInt(Date.now()) * 1_000_000n;
  if (now - stats.ctimeNs < TICK_NS) return undefined;
  return `${stats.dev}:${stats.ino}:${stats.size}:${stats.ctimeNs}`;
}

function keeping(objects: readonly ManifestObject[]): string {
  return objects.length === 0 ? '' : `; its ${objects.length} objects stay as they were`;
}
