// SPDX-License-Identifier: Apache-2.0
// Reads kube-proxy's flags as they stood on the command line into settings. Pure; all that is wrong comes back at once.

import { type CommandFlags, optionOfFlag, type Settings } from './options.ts';
import { kindOf, type Value, Wrong } from './value-kinds.ts';

/** For each flag that was given, the texts behind it; a bool without one has `true`. */
export type RawFlags = Readonly<Record<string, readonly string[]>>;

export interface FlagReading {
  readonly settings: Partial<Settings>;
  readonly command: CommandFlags;
  /** Names of the flags that were given, without dashes. */
  readonly given: ReadonlySet<string>;
  readonly problems: readonly string[];
}

export function readFlags(raw: RawFlags): FlagReading {
  const settings: Record<string, Value> = {};
  const command: Record<string, Value> = {};
  const problems: string[] = [];
  for (const [flag, texts] of Object.entries(raw)) {
    const option = optionOfFlag(flag);
    if (!option) continue;
    let value: Value | undefined;
    for (const text of texts) {
      const read = kindOf(option.kind).fromFlag(text, value as never);
      if (read instanceof Wrong) problems.push(`--${flag} ${text}: ${read.message}`);
      else value = read ?? value;
    }
    if (value !== undefined) {
      if (option.key === undefined) command[flag] = value;
      else settings[option.key] = value;
    }
  }
  return { settings, command, given: new Set(Object.keys(raw)), problems };
}
