// SPDX-License-Identifier: Apache-2.0
// Gives every Pod without a node one: the node that has the fewest.

import type { KubeObject } from './kube-object.ts';
import type { ObjectStore } from './object-store.ts';
import { podSpec } from './pod-object.ts';

/** @returns ends it. */
export function schedulePods(store: ObjectStore, nodes: readonly string[]): () => void {
  const assign = (pod: KubeObject) => {
    if (podSpec(pod).nodeName || pod.metadata.deletionTimestamp) return;
    const load = (node: string) =>
      store.list('Pod').filter((each) => podSpec(each).nodeName === node).length;
    const [first, ...others] = nodes;
    if (first === undefined) return;
    const nodeName = others.reduce((best, node) => (load(node) < load(best) ? node : best), first);
    store.update({ ...pod, spec: { ...podSpec(pod), nodeName } });
  };
  for (const pod of store.list('Pod')) assign(pod);
  return store.subscribe(({ type, object }) => {
    if (object.kind === 'Pod' && type === 'ADDED') assign(object);
  });
}
