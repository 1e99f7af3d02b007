// SPDX-License-Identifier: Apache-2.0
// The one table of kube-proxy's options, and the settings whose types are made from it: one for each key of a
// KubeProxyConfiguration, under its path. Whatever knows an option knows it from here.

import type { KubeProxyOption } from './kube-proxy-option.ts';
import { COMMAND_OPTIONS } from './options-command.ts';
import { HOST_OPTIONS } from './options-host.ts';
import { MODE_OPTIONS } from './options-mode.ts';
import { NODE_OPTIONS } from './options-node.ts';
import { kindOf, type ValueOf } from './value-kinds.ts';

const ROWS = [...COMMAND_OPTIONS, ...NODE_OPTIONS, ...MODE_OPTIONS, ...HOST_OPTIONS] as const;

/** The same, under the headings that --help and docs/configuration.md give them. */
export const OPTION_SECTIONS: readonly (readonly [title: string, readonly KubeProxyOption[]])[] = [
  ['What to do', COMMAND_OPTIONS],
  ['The node and its servers', NODE_OPTIONS],
  ['Modes', MODE_OPTIONS],
  ['Settings of the host, and logs', HOST_OPTIONS],
];

type Row = (typeof ROWS)[number];
type Keyed = Extract<Row, { readonly key: string }>;
type Unkeyed = Exclude<Row, Keyed>;

/** Every key of the file, with the value that counts. */
export type Settings = { readonly [R in Keyed as R['key']]: ValueOf<R['kind']> };
export type Key = keyof Settings;

/** Flags that no key of the file stands for, where they were given. */
export type CommandFlags = {
  readonly [R in Unkeyed as R['flag']]?: ValueOf<R['kind']>;
};

export const OPTIONS: readonly KubeProxyOption[] = ROWS;

export const DEFAULTS = Object.fromEntries(
  ROWS.flatMap((row) => ('key' in row ? [[row.key, row.default]] : [])),
) as Settings;

const BY_KEY = new Map(OPTIONS.map((option) => [option.key, option]));
const BY_FLAG = new Map(OPTIONS.map((option) => [option.flag, option]));

export function optionOfKey(key: string): KubeProxyOption | undefined {
  return BY_KEY.get(key);
}

export function optionOfFlag(flag: string): KubeProxyOption | undefined {
  return BY_FLAG.get(flag);
}

/** Whether `value` is what the option has when nobody says anything. */
export function isDefault(option: KubeProxyOption, value: unknown): boolean {
  return textOf(option, value) === textOf(option, option.default);
}

/** `value` as a person would write it behind the flag. */
export function textOf({ kind }: KubeProxyOption, value: unknown): string {
  const json = kindOf(kind).toJson(value as never);
  return typeof json === 'object' ? JSON.stringify(json) : String(json);
}
