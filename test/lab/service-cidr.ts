// SPDX-License-Identifier: Apache-2.0
// The ServiceCIDR `kubernetes`, by which a cluster says where its Service addresses lie (semantics 1.1).
// Pure.

import type { KubeObject } from './kube-object.ts';

/** The one that the API server makes of its own ranges. @param cidrs that of the default family first. */
export function defaultServiceCidr(cidrs: readonly string[]): KubeObject {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'ServiceCIDR',
    metadata: { name: 'kubernetes' },
    spec: { cidrs },
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
  };
}
