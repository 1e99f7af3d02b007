// SPDX-License-Identifier: Apache-2.0
// Writes objects with places as YAML: a template for Helm, or plain when they are filled already. The templates know
// five forms, and test/helpers/helm-template.ts reads just these:
//   {{ toJson .Values.a.b }}                     a value of any type: JSON is YAML
//   {{ .Values.a.b }}                            text, within text
//   {{- range .Values.a }} … {{ toJson . }} … {{- end }}   items of a list
//   {{- if .Values.a.b }} … {{- end }}           around a whole file
//   {{ "{{" }}                                   what Helm must leave to somebody else
// and {{ toJson (.Files.Get "name") }}, which template files that are more than objects have.

import { Document, type Node, Pair, Scalar, YAMLMap, YAMLSeq } from 'yaml';
import { Items, NAMESPACE, Noted, Place, Text } from './place.ts';

const NO_LIMIT = 0;

/** @returns YAML of objects without places, with `---` between them. */
export function yamlOf(objects: readonly unknown[]): string {
  return objects.map(documentText).join('---\n');
}

/** The same of objects with places, for Helm. */
export function templateOf(objects: readonly unknown[]): string {
  return objects.map((object) => withForms(documentText(object))).join('---\n');
}

/** Stands for a form of Helm's until all is YAML, in letters that YAML writes without quotes. */
const MARK = /\bHELM_([A-Z]+)_([A-Za-z_]*)_\b/g;

function documentText(object: unknown): string {
  const document = new Document();
  document.contents = nodeOf(object) as typeof document.contents;
  return document.toString({ lineWidth: NO_LIMIT, blockQuote: 'literal' });
}

function withForms(yaml: string): string {
  return yaml
    .replaceAll('{{', '{{ "{{" }}')
    .replace(/^( *)- HELM_ITEMS_(\w+)_$/gm, (_, indent: string, path: string) =>
      [
        `${indent}{{- range .Values.${dotted(path)} }}`,
        `${indent}- {{ toJson . }}`,
        `${indent}{{- end }}`,
      ].join('\n'),
    )
    .replace(MARK, (_, kind: string, path: string) =>
      kind === 'PLACE' ? `{{ toJson .${dotted(path)} }}` : `{{ .${dotted(path)} }}`,
    );
}

function nodeOf(value: unknown): Node {
  if (value instanceof Place) return new Scalar(mark('PLACE', value));
  if (value instanceof Items) return new Scalar(`HELM_ITEMS_${value.path.replaceAll('.', '_')}_`);
  if (value instanceof Noted) return withNote(nodeOf(value.value), value.note);
  if (value instanceof Text) {
    const parts = value.parts.map((part) => (part instanceof Place ? mark('TEXT', part) : part));
    return new Scalar(parts.join(''));
  }
  if (Array.isArray(value)) return sequenceOf(value);
  if (typeof value === 'object' && value !== null) return mapOf(value);
  return new Scalar(value);
}

function sequenceOf(items: readonly unknown[]): Node {
  const sequence = new YAMLSeq();
  sequence.flow =
    items.length === 0 || items.every((item) => typeof item === 'string' && !item.startsWith('-'));
  sequence.items = items.map(nodeOf);
  return sequence;
}

/** A note stands above the key that it is about. */
function mapOf(object: object): Node {
  const map = new YAMLMap();
  map.flow = Object.keys(object).length === 0;
  for (const [name, value] of Object.entries(object)) {
    const key = new Scalar(name);
    const node = nodeOf(value instanceof Noted ? value.value : value);
    if (value instanceof Noted) withNote(key, value.note);
    map.items.push(new Pair(key, node));
  }
  return map;
}

function withNote(node: Node, note: string): Node {
  node.commentBefore = ` ${note.replaceAll('\n', '\n ')}`;
  return node;
}

function mark(kind: string, { path }: Place): string {
  const full = path === NAMESPACE.path ? path : `Values.${path}`;
  return `HELM_${kind}_${full.replaceAll('.', '_')}_`;
}

/** Names in values.yaml have no underscores. */
function dotted(path: string): string {
  return path.replaceAll('_', '.');
}
