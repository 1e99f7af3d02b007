// SPDX-License-Identifier: Apache-2.0
// What the Prometheus operator and Grafana's sidecar are given.

import { ALERTS, type Alert } from './alerts.ts';
import { metadata, SELECTOR } from './labels.ts';
import { place } from './place.ts';

export const POD_MONITOR = {
  apiVersion: 'monitoring.coreos.com/v1',
  kind: 'PodMonitor',
  metadata: { ...metadata(), labels: place('monitoring.labels') },
  spec: {
    // The value of this label of the pods is the job: kube-proxy, as queries for kube-proxy have it.
    jobLabel: 'k8s-app',
    selector: { matchLabels: SELECTOR },
    podMetricsEndpoints: [
      {
        port: 'metrics',
        relabelings: [
          // As for kube-proxy: a node's name says more than its address.
          {
            action: 'replace',
            sourceLabels: ['__meta_kubernetes_pod_node_name'],
            targetLabel: 'instance',
          },
        ],
      },
    ],
  },
};

export const PROMETHEUS_RULE = {
  apiVersion: 'monitoring.coreos.com/v1',
  kind: 'PrometheusRule',
  metadata: { ...metadata(), labels: place('monitoring.labels') },
  spec: { groups: [{ name: 'signalbox', rules: ALERTS.map(rule) }] },
};

/** The dashboard itself is beside it, as a file. */
export const DASHBOARD_METADATA = {
  ...metadata('signalbox-dashboard'),
  labels: place('monitoring.dashboardLabels'),
};

function rule({ name, query, forTime, severity, summary, description, runbook }: Alert) {
  return {
    alert: name,
    expr: query,
    for: forTime,
    labels: { severity },
    annotations: { summary, description, runbook: `docs/troubleshooting.md#${runbook}` },
  };
}
