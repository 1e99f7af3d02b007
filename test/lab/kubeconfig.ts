// SPDX-License-Identifier: Apache-2.0
// The kubeconfig with which kubectl, kube-proxy and the agent find the lab's API server.

import { stringify } from 'yaml';

/**
 * @param server such as `http://127.0.0.1:8001`.
 * @returns the text of a kubeconfig file, without credentials: the lab asks for none.
 */
export function kubeconfig(server: string): string {
  const name = 'lab';
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server } }],
    users: [{ name, user: {} }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
  });
}
