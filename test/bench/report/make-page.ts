// SPDX-License-Identifier: Apache-2.0
// Everything that a report says, in its order, of one result: the numbers that matter, the machine, budgets, every
// table, where kube-proxy is better, how it was measured. Pure; nothing that was measured is left out.

import type { Result } from '../result.ts';
import { changeTable, costTable, programTable, restartTable, startTable } from './agent-tables.ts';
import { latencyTables, pastTable, streamTables } from './datapath-tables.ts';
import { headlines } from './headlines.ts';
import { hasKubeProxy, kubeProxyBetter } from './kube-proxy-better.ts';
import { labelOf, noiseOf, noiseOfRun } from './lookup.ts';
import { METHOD } from './method.ts';
import type { Block, Chapter, Page, Table } from './page.ts';
import type { PlotName } from './plot-names.ts';
import { number, withUnit } from './units.ts';

const NOT_MEASURED = 'Not measured in this run.';

export function makePage(result: Result): Page {
  return {
    title: 'Signalbox, kube-proxy and no proxy, side by side',
    headlines: headlines(result),
    chapters: [
      { title: 'Machine and run', blocks: machineBlocks(result) },
      { title: 'Budgets', blocks: budgetBlocks(result) },
      { title: 'Where kube-proxy is better', blocks: betterBlocks(result) },
      chapter('Latency through a ClusterIP', latencyTables(result, ['clusterIP']), [
        'connect-ratio',
        'connect-latency',
        'connect-distribution',
        'datagram-distribution',
      ]),
      chapter(
        'Latency through a NodePort',
        latencyTables(result, ['nodePortLocal', 'nodePortRemote']),
      ),
      chapter('What those pay that use no Service', pastTable(result)),
      chapter('Streams and small datagrams', streamTables(result), ['stream-cpu']),
      chapter('Changes', changeTable(result), ['changes']),
      chapter('Starts', startTable(result), ['starts']),
      chapter('Restarts under load', restartTable(result)),
      chapter('Memory and idle CPU', costTable(result), ['memory']),
      chapter('BPF programs', programTable(result)),
      { title: 'How it was measured', blocks: [{ kind: 'list', items: METHOD }] },
      {
        title: 'Notes',
        blocks:
          result.notes.length === 0
            ? [{ kind: 'text', text: 'None.' }]
            : [{ kind: 'list', items: result.notes }],
      },
    ],
  };
}

/** @param plots shown where there is anything to show. */
function chapter(
  title: string,
  tables: readonly Table[],
  plots: readonly PlotName[] = [],
): Chapter {
  const filled = tables.filter(({ rows }) => rows.length > 0);
  if (filled.length === 0) return { title, blocks: [{ kind: 'text', text: NOT_MEASURED }] };
  return {
    title,
    blocks: [
      ...(plots.length > 0 ? [{ kind: 'plots', names: plots } as const] : []),
      ...filled.map((table): Block => ({ kind: 'table', ...table })),
    ],
  };
}

function machineBlocks(result: Result): Block[] {
  const { machine, options } = result;
  const { governor = 'none that the kernel chooses' } = machine;
  const noise = noiseOfRun(result);
  const connects = result.latencies
    .filter(({ kind, path }) => kind === 'connect' && path === 'clusterIP')
    .map(noiseOf)
    .filter((each) => each !== undefined);
  const rows = [
    ['date', result.date],
    ['commit', result.commit ?? 'unknown'],
    ['took', `${withUnit(result.tookSeconds, 's', 0)}`],
    ['CPU', `${machine.cpus} × ${machine.cpu}, frequency governor: ${governor}`],
    ['memory', `${number(machine.memoryMiB, 0)} MiB`],
    ['kernel', machine.kernel],
    ['Node', machine.node],
    ['load of the last minute, before', number(machine.load, 2)],
    [
      'Services',
      `${options.services.map((count) => number(count, 0)).join(', ')}, ${options.endpoints} endpoints each`,
    ],
    [
      'latencies',
      `${options.rounds} rounds of ${number(options.exchanges, 0)} exchanges of each arm, in turns`,
    ],
    [
      'A/A noise: how far apart the medians of two equal direct measurements came out',
      noise === undefined
        ? 'not measured'
        : `${connects.length > 0 ? `connect() ${withUnit(100 * Math.max(...connects), 'percent')}, ` : ''}anything ${withUnit(100 * noise, 'percent')}, at most`,
    ],
    ['compared', result.arms.map(({ name }) => labelOf(result, name)).join('; ') || 'nothing'],
  ];
  return [{ kind: 'table', caption: '', heads: ['what', 'of this run'], words: 2, rows }];
}

function budgetBlocks({ budgets }: Result): Block[] {
  const count = (isMet: boolean | undefined) => budgets.filter((row) => row.isMet === isMet).length;
  return [
    {
      kind: 'text',
      text:
        `${count(true)} met, ${count(false)} missed, ${count(undefined)} not judged. Ratios are of medians, against no proxy in the same run. ` +
        'A budget of 1.00 × is met when the ratio is at most 1.00 plus the A/A noise of the same exchange in the same run, which stands beside it, and one of less than direct when it is less by more than that noise; every other is met by the figure alone. ' +
        'What was not measured is not judged, nor is what kept the budget of 10,000 Services with fewer. MB are 10^6 bytes. – stands where there is no such thing: no proxy has no process to start, to change or to weigh.',
    },
    { kind: 'budgets', rows: budgets },
  ];
}

function betterBlocks(result: Result): Block[] {
  if (!hasKubeProxy(result)) {
    return [
      {
        kind: 'text',
        text: 'This run had no kube-proxy, and nothing in its place: it says nothing of it.',
      },
    ];
  }
  const rows = kubeProxyBetter(result);
  const rule =
    'Every figure of this report was looked at: medians, p90 and p99 of latencies as ratios to direct, and what the processes do. Beyond the A/A noise of the same figure; where it has none, any difference that could be seen.';
  if (rows.length === 0) {
    return [{ kind: 'text', text: `Nowhere in this run. ${rule}` }];
  }
  return [
    { kind: 'text', text: rule },
    {
      kind: 'table',
      caption: '',
      heads: ['what', 'who is better', 'kube-proxy', 'Signalbox', 'less'],
      words: 2,
      rows: rows.map((row) => [row.what, row.by, row.kubeProxy, row.signalbox, row.difference]),
    },
  ];
}
