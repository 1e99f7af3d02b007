// SPDX-License-Identifier: Apache-2.0
// What the agent may do at the API server. Invariant, tested: no verb that system:node-proxier, which kube-proxy has,
// does not have.

import { clusterMetadata, metadata, NAME } from './labels.ts';
import { NAMESPACE, noted } from './place.ts';

export const ACCESS = [
  { apiVersion: 'v1', kind: 'ServiceAccount', metadata: metadata() },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: clusterMetadata(),
    rules: noted('Nothing that system:node-proxier does not have.', [
      { apiGroups: [''], resources: ['services', 'nodes'], verbs: ['list', 'watch'] },
      {
        apiGroups: ['discovery.k8s.io'],
        resources: ['endpointslices'],
        verbs: ['list', 'watch'],
      },
      { apiGroups: ['networking.k8s.io'], resources: ['servicecidrs'], verbs: ['list', 'watch'] },
      {
        apiGroups: ['', 'events.k8s.io'],
        resources: ['events'],
        verbs: ['create', 'patch', 'update'],
      },
    ]),
  },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: clusterMetadata(),
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: NAME },
    subjects: [{ kind: 'ServiceAccount', name: NAME, namespace: NAMESPACE }],
  },
];
