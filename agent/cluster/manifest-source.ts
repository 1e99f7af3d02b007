// SPDX-License-Identifier: Apache-2.0
// Objects from a folder of manifests that is watched: the agent without a cluster. Built by
// commands/agent-inputs.ts.
// What cannot be read never takes away what was in force; it is named in the sink and in the log.

import { statSync } from 'node:fs';
import { EnvironmentError, messageOf } from '../errors.ts';
import { type ObjectSink, WATCHED_KINDS } from '../model/cluster-state.ts';
import type { Logger } from '../telemetry/log.ts';
import { createFolderWatch } from './folder-watch.ts';
import type { ManifestObject } from './manifest-file.ts';
import { createManifestFolder, type ManifestFile } from './manifest-folder.ts';
import { mergeManifests } from './manifest-merge.ts';
import type { ObjectSource, WatchState } from './object-source.ts';
import { pause } from './pause.ts';

export interface ManifestSourceOptions {
  readonly dir: string;
  /** metadata.name of the one Node that counts. */
  readonly nodeName: string;
  readonly log: Logger;
  /** The folder is read this often even when nothing seems to have changed. */
  readonly rescanMs?: number;
}

/** Editors and `kubectl` touch several files, several times, in one go. */
const SETTLE_MS = 50;
const RESCAN_MS = 10_000;
/** How often a folder that is gone is looked for. */
const RETRY_MS = 1_000;

/** @throws EnvironmentError when there is no such folder. */
export function createManifestSource(options: ManifestSourceOptions): ObjectSource {
  const { dir, log, rescanMs = RESCAN_MS } = options;
  const found = statSync(dir, { throwIfNoEntry: false });
  if (!found?.isDirectory()) {
    const problem = found ? 'is not a folder' : 'does not exist';
    throw new EnvironmentError(`the manifest folder ${dir} ${problem}`, {
      hint: 'make it, and put Services and EndpointSlices into it as YAML or JSON',
    });
  }
  const folder = createManifestFolder(dir);
  let state: WatchState = { kind: 'Manifest', phase: 'listing', relists: 0, failures: 0 };

  async function run(sink: ObjectSink, signal: AbortSignal): Promise<void> {
    let change = new AbortController();
    const watch = createFolderWatch(dir, () => change.abort(), log);
    const deliver = createDelivery(sink, options);
    while (!signal.aborted) {
      change = new AbortController();
      watch.follow();
      try {
        const files = await folder.read();
        if (signal.aborted) break;
        deliver(files);
        if (state.phase === 'waiting') sink.noteManifest(dir);
        state = { ...state, phase: 'watching', lastContact: new Date() };
      } catch (error) {
        if (!isSystemError(error)) throw error;
        const lastError = `${messageOf(error)}; what the folder held stays in force`;
        if (signal.aborted) break;
        if (state.phase !== 'waiting') log.warn({ dir, err: error }, 'folder cannot be read');
        sink.noteManifest(dir, lastError);
        const failures = state.failures + 1;
        state = { ...state, phase: 'waiting', failures, lastError, lastErrorAt: new Date() };
      }
      const limit = state.phase === 'waiting' ? Math.min(RETRY_MS, rescanMs) : rescanMs;
      await pause(limit, AbortSignal.any([signal, change.signal]));
      await pause(SETTLE_MS, signal);
    }
    watch.close();
  }

  return {
    description: `manifests in ${dir}`,
    get watches() {
      return [state];
    },
    start(sink, signal) {
      void run(sink, signal);
    },
  };
}

/** Hands the difference from one reading to the next to the sink. */
function createDelivery(
  sink: ObjectSink,
  { nodeName, log }: ManifestSourceOptions,
): (files: readonly ManifestFile[]) => void {
  let before: readonly ManifestFile[] | undefined;
  let delivered: ReadonlySet<ManifestObject> = new Set();
  let reported: ReadonlyMap<string, string> = new Map();

  return (files) => {
    if (before?.length === files.length && files.every((file, i) => file === before?.[i])) return;
    before = files;
    const { objects, keys, problems } = mergeManifests(files, nodeName);
    for (const path of reported.keys()) {
      if (problems.has(path)) continue;
      log.info({ path }, 'manifest is in order again');
      sink.noteManifest(path);
    }
    for (const [path, reason] of problems) {
      if (reported.get(path) === reason) continue;
      log.warn({ path, reason }, 'manifest is not in force as it stands');
      sink.noteManifest(path, reason);
    }
    for (const object of objects) {
      if (!delivered.has(object)) object.deliver(sink, object.key);
    }
    for (const kind of WATCHED_KINDS) sink.listed(kind, keys[kind]);
    reported = problems;
    delivered = objects;
  };
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}
