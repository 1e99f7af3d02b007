// SPDX-License-Identifier: Apache-2.0
// Tells that something in a folder may have changed. Used by manifest-source.ts, which also looks by
// itself from time to time: notifications are missed on network file systems and behind symlinks.

import { type FSWatcher, statSync, watch } from 'node:fs';
import type { Logger } from '../telemetry/log.ts';

export interface FolderWatch {
  /** Watches the folder that `dir` is now; to be called before each look, as `dir` may have become another one. */
  follow(): void;
  close(): void;
}

/** @param onChange called after every notification. */
export function createFolderWatch(dir: string, onChange: () => void, log: Logger): FolderWatch {
  let watcher: FSWatcher | undefined;
  let inode: bigint | undefined;

  function close(): void {
    watcher?.close();
    watcher = undefined;
    inode = undefined;
  }

  function failed(error: unknown): void {
    log.warn({ dir, err: error }, 'folder cannot be watched; it is read from time to time');
  }

  return {
    close,
    follow() {
      const now = statSync(dir, { bigint: true, throwIfNoEntry: false })?.ino;
      if (now === inode) return;
      close();
      if (now === undefined) return;
      inode = now;
      try {
        watcher = watch(dir, onChange).on('error', failed);
      } catch (error) {
        failed(error);
      }
    },
  };
}
