// SPDX-License-Identifier: Apache-2.0
// The Grafana dashboard: dashboard-panels.ts says what is on it, this file where. Four panels a row, a row a question.

import { type Panel, ROWS } from './dashboard-panels.ts';

const COLUMNS = 24;
const STAT = { width: 3, height: 4 };
const GRAPH = { width: 6, height: 8 };
const DATASOURCE = { type: 'prometheus', uid: '$datasource' };

/** @returns the dashboard as Grafana imports it. */
export function dashboardJson(): string {
  const panels: unknown[] = [];
  let y = 0;
  for (const { title, panels: inRow } of ROWS) {
    panels.push({
      id: panels.length + 1,
      type: 'row',
      title,
      collapsed: false,
      gridPos: { x: 0, y, w: COLUMNS, h: 1 },
      panels: [],
    });
    y += 1;
    let x = 0;
    let height = 0;
    for (const panel of inRow) {
      const size = panel.kind === 'stat' ? STAT : GRAPH;
      if (x + size.width > COLUMNS) [x, y] = [0, y + height];
      height = size.height;
      panels.push(panelJson(panel, panels.length + 1, { x, y, w: size.width, h: height }));
      x += size.width;
    }
    y += height;
  }
  return `${JSON.stringify(dashboard(panels), undefined, 2)}\n`;
}

function dashboard(panels: readonly unknown[]) {
  return {
    uid: 'signalbox',
    title: 'Signalbox',
    description:
      'Services in the kernel, in the place of kube-proxy. Generated from scripts/deploy/dashboard-panels.ts.',
    tags: ['kubernetes', 'signalbox'],
    schemaVersion: 39,
    editable: true,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    templating: {
      list: [
        { name: 'datasource', type: 'datasource', query: 'prometheus', label: 'Data source' },
        {
          name: 'instance',
          type: 'query',
          label: 'Node',
          datasource: DATASOURCE,
          query: 'label_values(signalbox_ready, instance)',
          refresh: 2,
          sort: 1,
          multi: true,
          includeAll: true,
          allValue: '.+',
          current: { text: 'All', value: '$__all' },
        },
      ],
    },
    panels,
  };
}

function panelJson(panel: Panel, id: number, gridPos: object) {
  const { kind, title, about, unit, queries, bad } = panel;
  return {
    id,
    type: kind === 'stat' ? 'stat' : 'timeseries',
    title,
    description: about,
    datasource: DATASOURCE,
    gridPos,
    fieldConfig: {
      defaults: {
        unit,
        ...(kind === 'graph' && { min: 0 }),
        ...(bad !== undefined && {
          thresholds: {
            mode: 'absolute',
            steps: [
              { color: 'green', value: null },
              { color: 'red', value: bad },
            ],
          },
        }),
      },
      overrides: [],
    },
    options:
      kind === 'stat'
        ? { reduceOptions: { calcs: ['lastNotNull'] }, colorMode: 'value', graphMode: 'none' }
        : {
            legend: { displayMode: 'list', placement: 'bottom' },
            tooltip: { mode: 'multi', sort: 'desc' },
          },
    targets: queries.map(([expr, legendFormat], at) => ({
      refId: String.fromCharCode(65 + at),
      datasource: DATASOURCE,
      expr,
      legendFormat,
    })),
  };
}
