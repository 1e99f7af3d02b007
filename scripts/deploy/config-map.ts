// SPDX-License-Identifier: Apache-2.0
// The ConfigMap of a cluster in which kubeadm has made none: the same two files that kubeadm's kube-proxy has.

import { metadata } from './labels.ts';
import { place, text } from './place.ts';

/** The API server by its real address, with the credentials of the pod. */
const KUBECONFIG = text`apiVersion: v1
kind: Config
clusters:
  - name: default
    cluster:
      certificate-authority: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt
      server: ${place('apiServer')}
contexts:
  - name: default
    context: { cluster: default, user: default }
current-context: default
users:
  - name: default
    user:
      tokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token
`;

export const CONFIG_MAP = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { ...metadata(), name: place('configMap.name') },
  data: { 'config.conf': place('config'), 'kubeconfig.conf': KUBECONFIG },
};
