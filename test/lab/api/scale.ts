// SPDX-License-Identifier: Apache-2.0
// The scale subresource: spec.replicas of a workload seen as an autoscaling/v1 Scale. Pure.

import type { KubeObject } from '../kube-object.ts';

export function toScale({ metadata, spec, status }: KubeObject): KubeObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = metadata;
  const { replicas = 1, selector } = (spec ?? {}) as {
    replicas?: number;
    selector?: { matchLabels?: Record<string, string> };
  };
  const labels = Object.entries(selector?.matchLabels ?? {}).map(
    ([key, value]) => `${key}=${value}`,
  );
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: {
      name,
      namespace,
      uid,
      resourceVersion,
      creationTimestamp,
    } as KubeObject['metadata'],
    spec: { replicas },
    status: {
      replicas: (status as { replicas?: number } | undefined)?.replicas ?? 0,
      selector: labels.join(','),
    },
  };
}

/** `workload` with the replicas that `scale` asks for. */
export function fromScale(workload: KubeObject, scale: KubeObject): KubeObject {
  const { replicas = 0 } = (scale.spec ?? {}) as { replicas?: number };
  const { resourceVersion } = scale.metadata;
  return {
    ...workload,
    metadata: { ...workload.metadata, ...(resourceVersion && { resourceVersion }) },
    spec: { ...(workload.spec as object), replicas },
  };
}
