// SPDX-License-Identifier: Apache-2.0
// Reads the text of a KubeProxyConfiguration as kube-proxy does: strictly first, and where a key is unknown or stands
// twice, leniently with a warning (cmd/kube-proxy/app/options.go, loadConfig). Pure; never throws: all that is wrong
// comes back at once, each with its path.

import { familyOf, parseAddressSloppily } from '../model/address.ts';
import { readYaml } from '../yaml.ts';
import { SERVER_PORTS, withPort } from './bind-address.ts';
import { DEFAULTS, type Key, OPTIONS, optionOfKey, type Settings } from './options.ts';
import { isMap, kindOf, Wrong } from './value-kinds.ts';

export const API_VERSION = 'kubeproxy.config.k8s.io/v1alpha1';
export const KIND = 'KubeProxyConfiguration';

export interface ConfigurationReading {
  readonly settings: Settings;
  /** What is there, and not null. */
  readonly given: ReadonlySet<string>;
  /** With any of these, `settings` is of no use. */
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

/** A place in the file that is a map: `iptables`, `logging.options`, ... */
const SECTIONS = new Set(
  OPTIONS.flatMap(({ key = '' }) => {
    const parts = key.split('.');
    return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join('.'));
  }),
);

class Reader {
  readonly values: Record<string, unknown> = {};
  readonly given = new Set<string>();
  readonly problems: string[] = [];
  readonly warnings: string[] = [];

  section(map: Record<string, unknown>, prefix: string): void {
    for (const [name, json] of Object.entries(map)) {
      const key = `${prefix}${name}`;
      if (SECTIONS.has(key)) this.#subsection(key, json);
      else if (optionOfKey(key)) this.#value(key, json);
      else this.warnings.push(unknown(key));
    }
  }

  #subsection(key: string, json: unknown): void {
    if (isMap(json)) this.section(json, `${key}.`);
    else if (json !== null) this.problems.push(`${key}: ${shown(json)}: must be a map`);
  }

  #value(key: string, json: unknown): void {
    const option = optionOfKey(key);
    if (!option || json === null || json === undefined) return;
    const kind = kindOf(option.kind);
    const value = kind.fromJson(json);
    if (value instanceof Wrong) {
      this.problems.push(`${key}: ${shown(json)}: ${value.message}`);
      return;
    }
    this.given.add(key);
    const isZero = shown(kind.toJson(value as never)) === shown(kind.toJson(kind.zero as never));
    if (option.nullable || !isZero) this.values[key] = value;
  }
}

export function readConfiguration(text: string): ConfigurationReading {
  const reader = new Reader();
  const json = parseYaml(text, reader);
  if (isMap(json)) {
    const { apiVersion, kind, ...rest } = json;
    expect(reader, 'apiVersion', apiVersion, API_VERSION);
    expect(reader, 'kind', kind, KIND);
    // Of another version every key may mean something else.
    if (!reader.problems.length) reader.section(rest, '');
  } else if (!reader.problems.length) {
    reader.problems.push(`must be a map with apiVersion: ${API_VERSION} and kind: ${KIND}`);
  }
  const { given, problems, warnings } = reader;
  return { settings: withDefaults(reader.values), given, problems, warnings };
}

/** Go's decoder reads YAML 1.1, where yes and on are booleans. */
function parseYaml(text: string, reader: Reader): unknown {
  const [document, ...others] = readYaml(text, '1.1');
  if (others.length) reader.warnings.push('of several documents the first one counts');
  if (!document) return undefined;
  if ('unreadable' in document) {
    reader.problems.push(`not YAML: ${document.unreadable}`);
    return undefined;
  }
  for (const { line } of document.repeatedKeys) {
    reader.warnings.push(`a key stands twice at line ${line}; the last one counts`);
  }
  return document.value;
}

/** The defaults of the two servers follow the family of the bind address. */
function withDefaults(values: Partial<Record<string, unknown>>): Settings {
  const settings = { ...DEFAULTS, ...values } as Settings;
  const address = parseAddressSloppily(settings.bindAddress);
  const isIpv6 = address !== undefined && familyOf(address) === 'IPv6';
  const ofFamily = (key: 'healthzBindAddress' | 'metricsBindAddress', host: string) =>
    isIpv6 && !(key in values) ? host : settings[key];
  return {
    ...settings,
    healthzBindAddress: withPort(ofFamily('healthzBindAddress', '::'), SERVER_PORTS.healthz),
    metricsBindAddress: withPort(ofFamily('metricsBindAddress', '::1'), SERVER_PORTS.metrics),
  };
}

function expect(reader: Reader, key: string, value: unknown, right: string): void {
  if (value === right) return;
  reader.problems.push(
    value === undefined ? `${key}: must be ${right}` : `${key}: ${shown(value)}: must be ${right}`,
  );
}

/** Names are case-sensitive; what differs by that alone is what was meant. */
function unknown(key: string): string {
  const meant = [
    ...OPTIONS.flatMap(({ key: known }) => (known as Key | undefined) ?? []),
    ...SECTIONS,
  ].find((known) => known.toLowerCase() === key.toLowerCase());
  return `${key}: unknown, and ignored${meant ? `; ${meant} is meant?` : ''}`;
}

function shown(json: unknown): string {
  return JSON.stringify(json) ?? String(json);
}
