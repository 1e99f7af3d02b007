// SPDX-License-Identifier: Apache-2.0
// The Service `kubernetes` of every cluster: how pods reach the API server. Plain HTTP here, on the port
// where pods expect it.

import type { KubeObject } from './kube-object.ts';
import { FABRIC, SERVICE_CIDRS } from './topology.ts';

const NAME = 'kubernetes';

/** @param port where the API server listens in the fabric. */
export function kubernetesService(port: number): KubeObject[] {
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: NAME, namespace: 'default' },
      spec: {
        // The first address of the range, as in every cluster.
        clusterIP: SERVICE_CIDRS.ipv4.replace('.0/16', '.1'),
        ports: [{ name: 'https', port: 443, targetPort: port }],
      },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: NAME,
        namespace: 'default',
        labels: { 'kubernetes.io/service-name': NAME },
      },
      addressType: 'IPv4',
      ports: [{ name: 'https', port, protocol: 'TCP' }],
      endpoints: [{ addresses: [FABRIC.ipv4], conditions: { ready: true } }],
    },
  ];
}
