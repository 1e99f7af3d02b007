// SPDX-License-Identifier: Apache-2.0
// deploy/ as an operator gets it: objects of a kustomize directory, and of the chart with given values. Of kustomize as
// much as the directories use; a field that is not known here is an error.

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { chartValues } from '../../scripts/deploy/files.ts';
import type { Values } from '../../scripts/deploy/place.ts';
import { renderTemplate } from './helm-template.ts';
import type { KubeObject } from './kube-schema.ts';

const ROOT = path.join(import.meta.dirname, '../..');
export const KUSTOMIZE = path.join(ROOT, 'deploy/kustomize');
export const CHART = path.join(ROOT, 'deploy/helm/signalbox');

interface Kustomization {
  readonly apiVersion: 'kustomize.config.k8s.io/v1beta1';
  readonly kind: 'Kustomization';
  readonly resources: readonly string[];
  readonly patches?: readonly {
    readonly target: { readonly kind: string; readonly name: string };
    readonly patch: string;
  }[];
  readonly configMapGenerator?: readonly {
    readonly name: string;
    readonly namespace: string;
    readonly files: readonly string[];
    readonly options: {
      readonly disableNameSuffixHash: true;
      readonly labels: Readonly<Record<string, string>>;
    };
  }[];
}

const FIELDS = ['apiVersion', 'kind', 'resources', 'patches', 'configMapGenerator'];

/** What `kubectl kustomize DIRECTORY` prints. @param directory below deploy/kustomize. */
export function kustomized(directory: string): KubeObject[] {
  const folder = path.join(KUSTOMIZE, directory);
  const kustomization = readYaml(path.join(folder, 'kustomization.yaml')) as Kustomization;
  const unknown = Object.keys(kustomization).filter((field) => !FIELDS.includes(field));
  if (unknown.length) throw new Error(`${directory}: not known here: ${unknown}`);
  const objects = kustomization.resources.flatMap((resource) =>
    resource.endsWith('.yaml')
      ? documents(readFileSync(path.join(folder, resource), 'utf8'))
      : kustomized(path.join(directory, resource)),
  );
  for (const { target, patch } of kustomization.patches ?? []) {
    const chosen = objects.filter(
      ({ kind, metadata }) => kind === target.kind && metadata.name === target.name,
    );
    if (!chosen.length) throw new Error(`${directory}: nothing is ${target.kind} ${target.name}`);
    for (const object of chosen) for (const step of parse(patch)) replace(object, step);
  }
  const generated = (kustomization.configMapGenerator ?? []).map((generator) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: generator.name,
      namespace: generator.namespace,
      labels: generator.options.labels,
    },
    data: Object.fromEntries(
      generator.files.map((file) => [file, readFileSync(path.join(folder, file), 'utf8')]),
    ),
  }));
  return [...objects, ...generated];
}

/** What `helm template` prints with these values. @param file one of the chart's values files. */
export function templated(file?: string, more: Values = {}): KubeObject[] {
  const { Release, ...Values } = chartValues(file);
  const root = { Release: Release as Values, Values: { ...Values, ...more } };
  const files = Object.fromEntries(
    ['dashboard.json'].map((name) => [name, readFileSync(path.join(CHART, name), 'utf8')]),
  );
  const templates = path.join(CHART, 'templates');
  return readdirSync(templates).flatMap((name) =>
    documents(renderTemplate(readFileSync(path.join(templates, name), 'utf8'), { root, files })),
  );
}

/** For comparing: the order of objects says nothing, nor does a list of pull secrets that is empty. */
export function sorted(objects: readonly KubeObject[]): readonly KubeObject[] {
  const nameOf = ({ kind, metadata }: KubeObject) => `${kind} ${metadata.name}`;
  const isSaid = (key: string, value: unknown) =>
    key !== 'imagePullSecrets' || (value as unknown[]).length > 0;
  const told = JSON.parse(
    JSON.stringify(objects, (key, value) => (isSaid(key, value) ? value : undefined)),
  ) as KubeObject[];
  return told.toSorted((a, b) => nameOf(a).localeCompare(nameOf(b)));
}

export function readYaml(file: string): unknown {
  return parse(readFileSync(file, 'utf8'));
}

function documents(text: string): KubeObject[] {
  return parseAllDocuments(text).flatMap((document) => {
    const [error] = document.errors;
    if (error) throw error;
    return (document.toJS() as KubeObject | null) ?? [];
  });
}

/** One step of a JSON patch (RFC 6902). */
function replace(object: object, step: { op: string; path: string; value: unknown }): void {
  const keys = step.path.split('/').slice(1);
  const last = keys.pop() ?? '';
  let inside = object as Record<string, unknown>;
  for (const key of keys) inside = inside?.[key] as Record<string, unknown>;
  if (step.op !== 'replace' || inside?.[last] === undefined) {
    throw new Error(`cannot ${step.op} ${step.path}`);
  }
  inside[last] = step.value;
}
