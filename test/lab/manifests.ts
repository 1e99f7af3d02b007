// SPDX-License-Identifier: Apache-2.0
// Objects out of YAML as users write it. Pure.

import { parseAllDocuments } from 'yaml';
import type { KubeObject } from './kube-object.ts';

/** What others need comes first: a container's environment is made of the Services that exist already. */
const FIRST_KINDS = ['Namespace', 'Service'];

/** @throws Error for text that is not YAML, or a document that is no Kubernetes object. */
export function parseManifests(text: string): KubeObject[] {
  const objects = parseAllDocuments(text).flatMap((document) => {
    const [problem] = document.errors;
    if (problem) throw problem;
    const object = document.toJS() as KubeObject | null;
    if (object === null) return [];
    if (!object.apiVersion || !object.kind || !object.metadata) {
      throw new Error(`not a Kubernetes object: ${JSON.stringify(object).slice(0, 80)}`);
    }
    return [object];
  });
  const order = (object: KubeObject) => {
    const index = FIRST_KINDS.indexOf(object.kind);
    return index === -1 ? FIRST_KINDS.length : index;
  };
  return objects.toSorted((a, b) => order(a) - order(b));
}
