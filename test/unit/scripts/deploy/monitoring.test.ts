// SPDX-License-Identifier: Apache-2.0
// Dashboard and alerts: every query is PromQL, every runbook is there, and Prometheus gets the job that queries for
// kube-proxy ask for. Whether the metrics exist is asked of a running agent, in test/netns.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { ALERTS } from '../../../../scripts/deploy/alerts.ts';
import { dashboardJson } from '../../../../scripts/deploy/dashboard.ts';
import { ROWS } from '../../../../scripts/deploy/dashboard-panels.ts';
import { kustomized } from '../../../helpers/deploy-tree.ts';
import { selectorsOf } from '../../../helpers/promql.ts';

const ROOT = path.join(import.meta.dirname, '../../../..');

test('every query of an alert is PromQL and asks for a metric', (t) => {
  for (const { name, query } of ALERTS) t.true(selectorsOf(query).length > 0, name);
  t.is(new Set(ALERTS.map(({ name }) => name)).size, ALERTS.length);
});

test('every query of a panel is PromQL, asks for metrics and for the chosen nodes', (t) => {
  for (const { title, queries } of ROWS.flatMap(({ panels }) => panels)) {
    for (const [query] of queries) {
      const selectors = selectorsOf(query, { instance: 'node-1' });
      t.true(selectors.length > 0, title);
      for (const { matchers } of selectors) {
        t.true(
          matchers.some(({ label, value }) => label === 'instance' && value === 'node-1'),
          `${title}: ${query}`,
        );
      }
    }
  }
});

test('the runbook of every alert is a heading of the troubleshooting page', (t) => {
  const page = readFileSync(path.join(ROOT, 'docs/troubleshooting.md'), 'utf8');
  const headings = [...page.matchAll(/^##+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  );
  for (const { name, runbook } of ALERTS) t.true(headings.includes(runbook), `${name}: ${runbook}`);
});

test('Grafana’s panels do not overlap, and each has its number', (t) => {
  const { panels } = JSON.parse(dashboardJson()) as {
    panels: { id: number; gridPos: { x: number; y: number; w: number; h: number } }[];
  };
  t.is(new Set(panels.map(({ id }) => id)).size, panels.length);
  const taken = new Set<string>();
  for (const { gridPos } of panels) {
    t.true(gridPos.x + gridPos.w <= 24);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        t.false(taken.has(`${x} ${y}`));
        taken.add(`${x} ${y}`);
      }
    }
  }
});

test('the job of what is scraped is kube-proxy', (t) => {
  const monitor = kustomized('monitoring').find(({ kind }) => kind === 'PodMonitor') as unknown as {
    spec: {
      jobLabel: string;
      selector: { matchLabels: Record<string, string> };
      podMetricsEndpoints: { port: string }[];
    };
  };
  const daemonSet = kustomized('base').find(({ kind }) => kind === 'DaemonSet') as unknown as {
    spec: {
      template: {
        metadata: { labels: Record<string, string> };
        spec: { containers: { ports: { name: string; containerPort: number }[] }[] };
      };
    };
  };
  const { metadata, spec } = daemonSet.spec.template;
  t.is(metadata.labels[monitor.spec.jobLabel], 'kube-proxy');
  for (const [label, value] of Object.entries(monitor.spec.selector.matchLabels))
    t.is(metadata.labels[label], value);
  const [port] = spec.containers[0]?.ports ?? [];
  t.deepEqual(port, { name: 'metrics', containerPort: 10249 });
  t.is(monitor.spec.podMetricsEndpoints[0]?.port, port?.name);
});
