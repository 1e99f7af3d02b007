// SPDX-License-Identifier: Apache-2.0
// The tables of docs/metrics.md: every metric that the agent declares, in its own words, and when to worry.

import { Metrics } from '../../agent/telemetry/metrics.ts';
import { NO_PACKETS } from '../../agent/telemetry/packet-metrics.ts';
import { WORRIES } from './metric-worries.ts';

interface Declared {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly labels: readonly string[];
}

const SECTIONS: readonly (readonly [title: string, prefix: RegExp])[] = [
  ['By kube-proxy’s names', /^kubeproxy_/],
  ['Requests to the API server', /^rest_client_/],
  ['What is programmed', /^signalbox_(?!service_|packets|flow|masquerade|program_|build)/],
  ['Connections to Services', /^signalbox_service_/],
  ['The packet path', /^signalbox_(packets|flow|masquerade)/],
  ['The process and the programs', /^(process_|go_|nodejs_|signalbox_(program_|build))/],
];

/** @throws when a metric is in no section, or not in exactly one line of {@link WORRIES}. */
export function metricTables(): string {
  const metrics = declaredMetrics();
  const sections = SECTIONS.map(([title, prefix]) => {
    const rows = metrics.filter(({ name }) => prefix.test(name)).map(row);
    const head = '| metric | type | labels | meaning | when to worry |\n|---|---|---|---|---|';
    return { rows, text: `## ${title}\n\n${head}\n${rows.join('\n')}\n` };
  });
  const shown = sections.reduce((sum, { rows }) => sum + rows.length, 0);
  if (shown !== metrics.length) throw new Error('a metric is in no section, or in two');
  const unknown = Object.keys(WORRIES).filter((name) => !metrics.some((m) => m.name === name));
  if (unknown.length) throw new Error(`there is no metric ${unknown.join(', ')}`);
  return sections.map(({ text }) => text).join('\n');
}

function row({ name, help, type, labels }: Declared): string {
  const worry = WORRIES[name];
  if (worry === undefined) throw new Error(`metric-worries.ts has nothing of ${name}`);
  const cells = [
    `\`${name}\``,
    type,
    labels.map((l) => `\`${l}\``).join(' '),
    help.replaceAll('<', '&lt;'),
    worry,
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function declaredMetrics(): Declared[] {
  const nothing = { endpoints: 0, services: 0 };
  const { registry } = new Metrics({
    version: '',
    families: [],
    agent: () => undefined,
    droppedEvents: () => 0,
    kubeProxy: {
      changes: () => ({ totals: nothing, pending: nothing }),
      withoutLocalEndpoints: () => [],
    },
    packets: NO_PACKETS,
    traffic: async () => undefined,
    programs: () => [],
  });
  // The library's types leave out what every metric of it has.
  return (registry.getMetricsAsArray() as unknown as LibraryMetric[]).map(
    ({ name, help, type, labelNames = [] }) => ({ name, help, type, labels: labelNames }),
  );
}

interface LibraryMetric {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly labelNames?: readonly string[];
}
