// SPDX-License-Identifier: Apache-2.0
// Every file of deploy/ that is made from this folder: manifests for kustomize with the values of values.yaml, and the
// same objects as templates for Helm. scripts/generated-files.ts writes and checks them.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { ACCESS } from './access.ts';
import { CONFIG_MAP } from './config-map.ts';
import { DAEMON_SET } from './daemon-set.ts';
import { dashboardJson } from './dashboard.ts';
import { DASHBOARD_METADATA, POD_MONITOR, PROMETHEUS_RULE } from './monitoring.ts';
import { fill, type Values } from './place.ts';
import { templateOf, yamlOf } from './template-text.ts';
import { WAY_OUT } from './way-out.ts';

const ROOT = path.join(import.meta.dirname, '../..');
const CHART = 'deploy/helm/signalbox';
const KUSTOMIZE = 'deploy/kustomize';

interface DeployFile {
  readonly file: string;
  readonly text: () => string;
}

/** Clusters that the chart has a values file for besides its defaults, which are kubeadm's. */
export const OTHER_CLUSTERS = ['k3s', 'kind', 'other'] as const;

const HEADER = `# SPDX-License-Identifier: Apache-2.0
# Made from scripts/deploy/ by npm run generate: change it there.
`;

/** In the place of an address that nobody can know: resolving it fails, and names it. */
const NO_SERVER = 'https://set-the-real-address.invalid:6443';

/** Objects of the chart, by the file of their template. */
const TEMPLATES = {
  'access.yaml': { objects: ACCESS, when: undefined },
  'config-map.yaml': { objects: [CONFIG_MAP], when: 'configMap.create' },
  'daemon-set.yaml': { objects: [DAEMON_SET], when: undefined },
  'pod-monitor.yaml': { objects: [POD_MONITOR], when: 'monitoring.podMonitor' },
  'prometheus-rule.yaml': { objects: [PROMETHEUS_RULE], when: 'monitoring.alerts' },
} as const;

/** Of the Release, what the kustomize manifests are made with. */
const RELEASE = { Release: { Namespace: 'kube-system' } };

export const DEPLOY_FILES: readonly DeployFile[] = [
  ...Object.entries(TEMPLATES).map(([name, { objects, when }]) => ({
    file: `${CHART}/templates/${name}`,
    text: () => template(objects, when),
  })),
  { file: `${CHART}/templates/dashboard.yaml`, text: dashboardTemplate },
  { file: `${CHART}/dashboard.json`, text: dashboardJson },
  manifest('base/access.yaml', ACCESS),
  manifest('base/daemon-set.yaml', [DAEMON_SET]),
  ...OTHER_CLUSTERS.map((cluster) =>
    manifest(`${cluster}/config-map.yaml`, [CONFIG_MAP], `values-${cluster}.yaml`),
  ),
  manifest('monitoring/pod-monitor.yaml', [POD_MONITOR]),
  manifest('monitoring/prometheus-rule.yaml', [PROMETHEUS_RULE]),
  { file: `${KUSTOMIZE}/monitoring/signalbox.json`, text: dashboardJson },
  manifest('way-out/daemon-set.yaml', [WAY_OUT]),
];

/** @param file of the chart, laid over its defaults as Helm does it. */
export function chartValues(file?: string): Values {
  const defaults = readYaml('values.yaml');
  return { ...RELEASE, ...(file === undefined ? defaults : overlaid(defaults, readYaml(file))) };
}

function manifest(name: string, objects: readonly unknown[], valuesFile?: string): DeployFile {
  return {
    file: `${KUSTOMIZE}/${name}`,
    text: () => {
      const values = chartValues(valuesFile);
      const filled = { ...values, apiServer: values.apiServer || NO_SERVER };
      return HEADER + yamlOf(objects.map((object) => fill(object, filled)));
    },
  };
}

function template(objects: readonly unknown[], when: string | undefined): string {
  const text = templateOf(objects);
  return HEADER + (when === undefined ? text : conditional(when, text));
}

function dashboardTemplate(): string {
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: DASHBOARD_METADATA };
  const data = 'data:\n  signalbox.json: {{ toJson (.Files.Get "dashboard.json") }}\n';
  return HEADER + conditional('monitoring.dashboard', templateOf([object]) + data);
}

function conditional(when: string, text: string): string {
  return `{{- if .Values.${when} }}\n${text}{{- end }}\n`;
}

function readYaml(file: string): Values {
  return parse(readFileSync(path.join(ROOT, CHART, file), 'utf8')) as Values;
}

function overlaid(under: Values, over: Values): Values {
  const isMap = (value: unknown): value is Values =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  return Object.fromEntries(
    [...new Set([...Object.keys(under), ...Object.keys(over)])].map((key) => {
      const [a, b] = [under[key], over[key]];
      return [key, isMap(a) && isMap(b) ? overlaid(a, b) : key in over ? b : a];
    }),
  );
}
