// SPDX-License-Identifier: Apache-2.0
// What the objects are called and known by. One of each in a cluster, so no name depends on a release.

import { NAMESPACE } from './place.ts';

export const NAME = 'signalbox';

/** Never changed: the selector of a DaemonSet cannot be. */
export const SELECTOR = { 'app.kubernetes.io/name': NAME };

/**
 * kube-proxy's own label, on pods alone. Whatever scrapes kube-proxy by it (kube-prometheus-stack's Service, a job of
 * the scrape configuration) goes on under the same job name, and so do dashboards and alerts that ask for
 * job="kube-proxy". The DaemonSet kube-proxy selects by it too; a DaemonSet leaves pods alone that another one controls.
 */
export const POD_LABELS = { ...SELECTOR, 'k8s-app': 'kube-proxy' };

export function metadata(name = NAME) {
  return { name, namespace: NAMESPACE, labels: SELECTOR };
}

/** Of objects without a namespace. */
export function clusterMetadata() {
  return { name: NAME, labels: SELECTOR };
}
