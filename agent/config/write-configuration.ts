// SPDX-License-Identifier: Apache-2.0
// Settings as the KubeProxyConfiguration that says them, for --write-config-to and /configz. Pure. kube-proxy takes it;
// read again it gives the same settings, but for what a file cannot say (notices.ts, notInFile).

import { stringify } from 'yaml';
import { OPTIONS, type Settings } from './options.ts';
import { API_VERSION, KIND } from './read-configuration.ts';
import { kindOf } from './value-kinds.ts';

type JsonMap = Record<string, unknown>;

export function configurationJson(settings: Settings): JsonMap {
  const root: JsonMap = { apiVersion: API_VERSION, kind: KIND };
  for (const { key, kind } of OPTIONS) {
    if (key === undefined) continue;
    const parts = key.split('.');
    const name = parts.pop() as string;
    let map = root;
    for (const part of parts) {
      map[part] ??= {};
      map = map[part] as JsonMap;
    }
    map[name] = kindOf(kind).toJson(settings[key as keyof Settings] as never);
  }
  return root;
}

/** YAML, its keys in the order in which kube-proxy writes them. */
export function writeConfiguration(settings: Settings): string {
  return stringify(configurationJson(settings), { sortMapEntries: true, version: '1.1' });
}
