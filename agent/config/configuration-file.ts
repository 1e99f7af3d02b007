// SPDX-License-Identifier: Apache-2.0
// The configuration file on disk: reads it, and tells when it may have become another one. The only I/O in this folder.
// A ConfigMap's file is a symlink into a folder that is itself a symlink, and is replaced by another of those; editors
// and `mv` put a new file in the place of the old. So it is the folder that is watched, and what counts is the text.

import { type FSWatcher, readFileSync, realpathSync, watch } from 'node:fs';
import path from 'node:path';
import { EnvironmentError, messageOf } from '../errors.ts';
import type { Logger } from '../telemetry/log.ts';

/** Replacing takes several steps, and writing a file more than one. */
const SETTLE_MS = 200;
/** Notifications are missed on network file systems, and where folders above are replaced. */
const LOOK_EVERY_MS = 30_000;

/** @throws EnvironmentError */
export function readConfigurationFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new EnvironmentError(`configuration file ${file}: ${messageOf(cause)}`, {
      hint: 'name another one with --config FILE',
      cause,
    });
  }
}

export interface ConfigurationWatch {
  close(): void;
}

/**
 * Calls `onText` with the file's text whenever it is another one than before.
 *
 * @param text what the file has been read as.
 * @param onUnreadable told once until the file can be read again.
 */
export function watchConfigurationFile(
  file: string,
  text: string,
  {
    onText,
    onUnreadable,
    log,
  }: {
    readonly onText: (text: string) => void;
    readonly onUnreadable: (error: Error) => void;
    readonly log: Logger;
  },
): ConfigurationWatch {
  let last: string | undefined = text;
  let settling: NodeJS.Timeout | undefined;
  let watchers: FSWatcher[] = [];
  let folders = '';

  function look(): void {
    follow();
    let now: string;
    try {
      now = readConfigurationFile(file);
    } catch (error) {
      if (last !== undefined && error instanceof EnvironmentError) onUnreadable(error);
      last = undefined;
      return;
    }
    if (now === last) return;
    last = now;
    onText(now);
  }

  /** Both the folder that is named and the one that the file is really in. */
  function follow(): void {
    const wanted = foldersOf(file);
    if (wanted.join('\n') === folders) return;
    for (const watcher of watchers) watcher.close();
    watchers = [];
    folders = wanted.join('\n');
    for (const folder of wanted) {
      try {
        const watcher = watch(folder, { persistent: false }, () => {
          settling ??= setTimeout(() => {
            settling = undefined;
            look();
          }, SETTLE_MS).unref();
        });
        watchers.push(watcher.on('error', (error) => failed(folder, error)));
      } catch (error) {
        failed(folder, error);
      }
    }
  }

  function failed(folder: string, error: unknown): void {
    folders = '';
    log.warn(
      { folder, error: messageOf(error) },
      'cannot watch the configuration file; it is read from time to time',
    );
  }

  follow();
  const regularly = setInterval(look, LOOK_EVERY_MS).unref();
  return {
    close() {
      clearInterval(regularly);
      clearTimeout(settling);
      for (const watcher of watchers) watcher.close();
    },
  };
}

function foldersOf(file: string): string[] {
  const named = path.dirname(path.resolve(file));
  try {
    return [...new Set([named, path.dirname(realpathSync(file))])];
  } catch {
    return [named];
  }
}
