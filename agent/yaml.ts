// SPDX-License-Identifier: Apache-2.0
// YAML that nobody vouches for: manifests, kubeconfigs, the agent's configuration. Never throws, and takes a time that is
// proportional to the text, but for aliases, whose number is bounded. What it gives is a tree, as JSON would be.

import { type Document, isNode, isScalar, LineCounter, parseAllDocuments, visit } from 'yaml';
import { messageOf } from './errors.ts';

export type YamlDocument =
  | {
      readonly value: unknown;
      /** Where keys stand that their map has already; the last of them counts. */
      readonly repeatedKeys: readonly YamlPlace[];
    }
  /** Where, and why: one line. */
  | { readonly unreadable: string };

/** Both from 1 on. */
export interface YamlPlace {
  readonly line: number;
  readonly col: number;
}

/** Each is looked for among all that stands before it. */
const MAX_ALIASES = 1000;

/**
 * The documents of `text`; none of an empty one.
 *
 * @param version of YAML: in 1.1, which Go's decoder reads, yes and on are booleans.
 */
export function readYaml(text: string, version: '1.1' | '1.2' = '1.2'): readonly YamlDocument[] {
  const lines = new LineCounter();
  try {
    // What stands twice is looked for below: yaml compares each key with all before it.
    const options = { version, merge: true, uniqueKeys: false, logLevel: 'error' } as const;
    const documents = parseAllDocuments(text, { ...options, lineCounter: lines });
    return Array.from(documents, (document) => readDocument(document, lines));
  } catch (error) {
    return [{ unreadable: messageOf(error) }];
  }
}

/** As the message of a document that is refused for it. */
export function repeatedKeyMessage({ line, col }: YamlPlace): string {
  return `a key stands twice at line ${line}, column ${col}`;
}

function readDocument(document: Document.Parsed, lines: LineCounter): YamlDocument {
  const [error] = document.errors;
  if (error) return { unreadable: error.message.split('\n', 1)[0]?.replace(/:$/, '') ?? '' };
  const { repeatedKeys, oddKey, aliases } = lookOver(document, lines);
  if (oddKey) {
    return { unreadable: `a key is no text at line ${oddKey.line}, column ${oddKey.col}` };
  }
  if (aliases > MAX_ALIASES) return { unreadable: `more than ${MAX_ALIASES} aliases` };
  try {
    const value: unknown = document.toJS();
    if (aliases > 0 && holdsItself(value)) {
      return { unreadable: 'an alias stands within what it stands for' };
    }
    return { value, repeatedKeys };
  } catch (error) {
    // Aliases that lead nowhere, or multiply without end.
    return { unreadable: messageOf(error) };
  }
}

function lookOver(
  document: Document.Parsed,
  lines: LineCounter,
): {
  readonly repeatedKeys: readonly YamlPlace[];
  /** A list, a map or an alias: JSON has no such keys, and to write them as texts may take for ever. */
  readonly oddKey: YamlPlace | undefined;
  readonly aliases: number;
} {
  const repeatedKeys: YamlPlace[] = [];
  let oddKey: YamlPlace | undefined;
  let aliases = 0;
  visit(document, {
    Alias() {
      aliases += 1;
    },
    Map(_, { items }) {
      const known = new Set<unknown>();
      for (const { key } of items) {
        const place = lines.linePos((isNode(key) && key.range?.[0]) || 0);
        if (!isScalar(key)) {
          oddKey ??= place;
          continue;
        }
        if (known.has(key.value)) repeatedKeys.push(place);
        known.add(key.value);
      }
    },
  });
  return { repeatedKeys, oddKey, aliases };
}

/** Depth first; what has been looked at once, by whatever alias, is not looked at again. */
function holdsItself(whole: unknown): boolean {
  const done = new Set<object>();
  const above = new Set<object>();
  const look = (value: unknown): boolean => {
    if (typeof value !== 'object' || value === null || done.has(value)) return false;
    if (above.has(value)) return true;
    above.add(value);
    if (Object.values(value).some(look)) return true;
    above.delete(value);
    done.add(value);
    return false;
  };
  return look(whole);
}
