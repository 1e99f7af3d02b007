// SPDX-License-Identifier: Apache-2.0
// The manifests are what the API server takes, and both ways to them come to the same objects.

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Ajv } from 'ajv';
import test from 'ava';
import { VERSION } from '../../../../agent/version.ts';
import { chartValues, OTHER_CLUSTERS } from '../../../../scripts/deploy/files.ts';
import {
  CHART,
  KUSTOMIZE,
  kustomized,
  readYaml,
  sorted,
  templated,
} from '../../../helpers/deploy-tree.ts';
import { type KubeObject, schemaProblems } from '../../../helpers/kube-schema.ts';

const ALL_MONITORING = {
  monitoring: {
    podMonitor: true,
    alerts: true,
    dashboard: true,
    labels: {},
    dashboardLabels: { grafana_dashboard: '1' },
  },
};
const SERVER = 'https://192.0.2.10:6443';

for (const directory of readdirSync(KUSTOMIZE)) {
  test(`kustomize/${directory}: as the schemas say`, (t) => {
    const objects = kustomized(directory);
    t.true(objects.length > 0);
    t.deepEqual(objects.flatMap(schemaProblems), []);
  });
}

test('the chart, with all in it: as the schemas say', (t) => {
  const objects = templated('values-k3s.yaml', ALL_MONITORING);
  t.deepEqual(objects.map(({ kind }) => kind).sort(), [
    'ClusterRole',
    'ClusterRoleBinding',
    'ConfigMap',
    'ConfigMap',
    'DaemonSet',
    'PodMonitor',
    'PrometheusRule',
    'ServiceAccount',
  ]);
  t.deepEqual(objects.flatMap(schemaProblems), []);
});

test('the chart’s defaults are the kustomize base', (t) => {
  t.deepEqual(sorted(templated()), sorted(kustomized('base')));
});

for (const cluster of OTHER_CLUSTERS) {
  test(`the chart’s values-${cluster}.yaml is kustomize/${cluster}`, (t) => {
    const file = `values-${cluster}.yaml`;
    const { apiServer } = chartValues(file);
    // Nobody can know the address of another cluster: the schema of values asks for it.
    t.is(apiServer === '', cluster === 'other');
    const withServer = (objects: readonly KubeObject[]) =>
      JSON.parse(JSON.stringify(sorted(objects)).replace(/server: .*?\\n/, `server: ${SERVER}\\n`));
    t.deepEqual(withServer(templated(file)), withServer(kustomized(cluster)));
    t.regex(JSON.stringify(kustomized(cluster)), /server: https:\/\/\S+:\d+\\n/);
  });
}

test('the chart’s monitoring is kustomize/monitoring', (t) => {
  const without = templated().length;
  t.is(templated(undefined, ALL_MONITORING).length, without + 3);
  const monitoring = templated(undefined, ALL_MONITORING).filter(
    ({ kind, metadata }) => kind.startsWith('P') || metadata.name === 'signalbox-dashboard',
  );
  t.deepEqual(sorted(monitoring), sorted(kustomized('monitoring')));
});

test('what is chosen arrives: extra options, an image, a ConfigMap', (t) => {
  const text = JSON.stringify(
    templated(undefined, {
      image: 'example.test/signalbox@sha256:abc',
      extraArgs: ['--devices=eth0', '--log-level=debug'],
      configMap: { create: false, name: 'mine' },
    }),
  );
  t.regex(text, /"image":"example\.test\/signalbox@sha256:abc"/);
  t.regex(
    text,
    /"--hostname-override=\$\(NODE_NAME\)","--devices=eth0","--log-level=debug","--init-only"\]/,
  );
  t.regex(text, /"--devices=eth0","--log-level=debug"\],"env"/);
  t.regex(text, /"configMap":\{"name":"mine"\}/);
});

test('versions are those of the package', (t) => {
  const chart = readYaml(path.join(CHART, 'Chart.yaml')) as Record<string, unknown>;
  t.like(chart, { apiVersion: 'v2', name: 'signalbox', version: VERSION, appVersion: VERSION });
  t.is(chartValues().image, `signalbox:${VERSION}`);
});

test('the schema of values knows each value, and no other', (t) => {
  const schema = JSON.parse(readFileSync(path.join(CHART, 'values.schema.json'), 'utf8'));
  const { Release: _, ...values } = chartValues();
  const { global, ...properties } = schema.properties;
  t.truthy(global);
  t.deepEqual(Object.keys(properties), Object.keys(values));
  t.false(schema.additionalProperties);
  for (const name of ['configMap', 'monitoring']) {
    t.deepEqual(Object.keys(properties[name].properties), Object.keys(values[name] as object));
    t.false(properties[name].additionalProperties);
  }
});

test('the schema of values takes those of every file, and refuses what is misspelt or missing', (t) => {
  const schema = JSON.parse(readFileSync(path.join(CHART, 'values.schema.json'), 'utf8'));
  const validate = new Ajv({ strictTypes: false }).compile(schema);
  const takes = (file?: string, more: Record<string, unknown> = {}) => {
    const { Release: _, ...values } = chartValues(file);
    return validate({ ...values, ...more });
  };
  t.true(takes(), JSON.stringify(validate.errors));
  for (const cluster of OTHER_CLUSTERS)
    t.true(takes(`values-${cluster}.yaml`, { apiServer: SERVER }), JSON.stringify(validate.errors));
  t.true(takes(undefined, ALL_MONITORING), JSON.stringify(validate.errors));
  t.false(takes(undefined, { imagePulPolicy: 'Always' }));
  t.false(takes(undefined, { imagePullPolicy: 'Sometimes' }));
  t.false(takes(undefined, { extraArgs: ['v=2'] }));
  t.false(takes('values-other.yaml', { apiServer: '' }));
});

/** A DaemonSet that the schemas take, for spoiling. */
function daemonSet(change: (pod: Record<string, unknown>, container: object) => void): KubeObject {
  const object = structuredClone(kustomized('base').find(({ kind }) => kind === 'DaemonSet'));
  // biome-ignore lint/suspicious/noExplicitAny: what is spoiled here is not as any type says.
  const { spec } = (object as any).spec.template;
  change(spec, spec.containers[0]);
  return object as KubeObject;
}

test('the schemas refuse: wrong types, unknown fields at any depth, missing ones, unknown kinds', (t) => {
  const problems = (change: Parameters<typeof daemonSet>[0]) => schemaProblems(daemonSet(change));
  t.deepEqual(
    problems(() => {}),
    [],
  );
  t.deepEqual(
    problems((pod) => Object.assign(pod, { hostNetwork: 'yes' })),
    ['/spec/template/spec/hostNetwork must be boolean'],
  );
  t.deepEqual(
    problems((pod) => Object.assign(pod, { hostNetwrk: true })),
    ['/spec/template/spec/hostNetwrk is no field'],
  );
  t.deepEqual(
    problems((_, container) =>
      Object.assign(container, { livenessProbe: { httpGet: { porrt: 1 } } }),
    ),
    [
      '/spec/template/spec/containers/0/livenessProbe/httpGet must have required property port',
      '/spec/template/spec/containers/0/livenessProbe/httpGet/porrt is no field',
    ],
  );
  t.deepEqual(
    problems((_, container) =>
      Object.assign(container, { securityContext: { capabilities: { ad: [] } } }),
    ),
    ['/spec/template/spec/containers/0/securityContext/capabilities/ad is no field'],
  );
  t.deepEqual(
    schemaProblems({ apiVersion: 'apps/v1', kind: 'DeamonSet', metadata: { name: 'x' } }),
    ['there is no schema for apps/v1 DeamonSet'],
  );
  const [monitor] = kustomized('monitoring').filter(({ kind }) => kind === 'PodMonitor');
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  const endpoint = (monitor as any).spec.podMetricsEndpoints[0];
  endpoint.intervall = '30s';
  t.deepEqual(schemaProblems(monitor as KubeObject), [
    '/spec/podMetricsEndpoints/0/intervall is no field',
  ]);
});
