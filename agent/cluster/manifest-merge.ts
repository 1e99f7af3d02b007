// SPDX-License-Identifier: Apache-2.0
// One set of objects out of many manifests. Pure; used by manifest-source.ts. An object that stands
// in several places counts where it stands first, in the order of the files' names. Of the Nodes only the
// agent's own counts at all.

import { WATCHED_KINDS, type WatchedKind } from '../model/cluster-state.ts';
import type { ManifestObject } from './manifest-file.ts';
import type { ManifestFile } from './manifest-folder.ts';

export interface MergedManifests {
  readonly objects: ReadonlySet<ManifestObject>;
  readonly keys: Readonly<Record<WatchedKind, ReadonlySet<string>>>;
  /** By the file's path: everything about it that is not in force. */
  readonly problems: ReadonlyMap<string, string>;
}

/**
 * @param files in the order of their names.
 * @param nodeName metadata.name of the Node that counts.
 */
export function mergeManifests(files: readonly ManifestFile[], nodeName: string): MergedManifests {
  const objects = new Set<ManifestObject>();
  const keys = keysByKind();
  const problems = new Map<string, string>();
  for (const file of files) {
    const complaints = file.problem ? [file.problem] : [];
    for (const object of file.objects) {
      const { kind, key } = object;
      if (kind === 'Node' && key !== nodeName) continue;
      if (keys[kind].has(key)) {
        complaints.push(`${kind} ${key} left out: ${firstPlace(files, object)} has it already`);
        continue;
      }
      keys[kind].add(key);
      objects.add(object);
    }
    if (complaints.length > 0) problems.set(file.path, complaints.join('; '));
  }
  return { objects, keys, problems };
}

function keysByKind(): Record<WatchedKind, Set<string>> {
  const sets = WATCHED_KINDS.map((kind) => [kind, new Set()] as const);
  return Object.fromEntries(sets) as Record<WatchedKind, Set<string>>;
}

function firstPlace(files: readonly ManifestFile[], { kind, key }: ManifestObject): string {
  const first = files.find((file) =>
    file.objects.some((object) => object.kind === kind && object.key === key),
  );
  return first?.path ?? 'another file';
}
