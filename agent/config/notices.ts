// SPDX-License-Identifier: Apache-2.0
// What an operator is told once about options that have no effect here, or not all of it. Pure.

import { unusedFlags } from './effective.ts';
import { isDefault, OPTIONS, type Settings, textOf } from './options.ts';
import type { ConfigurationReading } from './read-configuration.ts';
import type { FlagReading } from './read-flags.ts';

export interface Notice {
  /** A flag, as `--proxy-mode`, or a key of the file. */
  readonly option: string;
  readonly value?: string;
  readonly why: string;
}

/** @param settings those that count. */
export function noticesOf(
  settings: Settings,
  flags: FlagReading,
  file?: ConfigurationReading,
): Notice[] {
  const notices: Notice[] = [];
  const unused = unusedFlags(flags, file !== undefined);
  if (unused.length) {
    notices.push({
      option: unused.map((flag) => `--${flag}`).join(' '),
      why: file
        ? 'with --config the file counts instead, as with kube-proxy'
        : 'the bind address has a port of its own, which counts',
    });
  }
  for (const option of OPTIONS) {
    const { flag, key, notice } = option;
    if (notice === undefined) continue;
    const isFromFlag = flag !== undefined && flags.given.has(flag) && !unused.includes(flag);
    const name = isFromFlag || key === undefined ? `--${flag}` : key;
    if (key === undefined) {
      if (isFromFlag) notices.push({ option: name, why: notice });
      continue;
    }
    const value = settings[key as keyof Settings];
    const isGiven = isFromFlag || file?.given.has(key) === true;
    const isTold =
      key === 'logging.format' ? isGiven && value !== 'json' : !isDefault(option, value);
    if (isTold) notices.push({ option: name, value: textOf(option, value), why: notice });
  }
  return notices;
}

/** What a file cannot say: there, the zero stands for the default. */
export function notInFile(settings: Settings): Notice[] {
  return OPTIONS.flatMap((option) => {
    const { key, nullable } = option;
    if (key === undefined || nullable) return [];
    const value = settings[key as keyof Settings];
    if (isDefault(option, value) || !isZero(value)) return [];
    return {
      option: key,
      value: textOf(option, value),
      why: 'a file cannot say it: there, it is the default',
    };
  });
}

function isZero(value: Settings[keyof Settings]): boolean {
  return value === '' || value === 0 || value === 0n || value === false;
}
