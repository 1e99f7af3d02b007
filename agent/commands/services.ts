// SPDX-License-Identifier: Apache-2.0
// `signalbox services`: the frontends that the kernel serves now.

import { Command } from 'commander';
import { formatFrontend, frontendViews, nameCells, selectService } from './kernel-view.ts';
import { bpffsOption, openTablesOrExplain, outputOption } from './options.ts';
import { printTable } from './table.ts';

interface Options {
  readonly bpffs: string;
  readonly output: 'table' | 'json';
}

export function command(): Command {
  return new Command('services')
    .description('the frontends that the kernel serves now, with their Services')
    .argument('[service]', 'only this Service: name or namespace/name')
    .addOption(bpffsOption())
    .addOption(outputOption())
    .action(run);
}

function run(service: string | undefined, { bpffs, output }: Options): void {
  const tables = openTablesOrExplain(bpffs);
  const views = selectService(frontendViews(tables), service);
  tables.close();
  if (output === 'json') {
    const rows = views.map(({ frontend, servicePort, servicePortId, backends }) => ({
      service: servicePort?.service ?? null,
      port: servicePort?.portName ?? null,
      servicePortId,
      frontend,
      backends: backends.length,
    }));
    console.log(JSON.stringify(rows, undefined, 2));
    return;
  }
  printTable(
    ['NAMESPACE', 'NAME', 'PORT', 'PROTOCOL', 'FRONTEND', 'BACKENDS'],
    views.map((view) => [
      ...nameCells(view),
      view.frontend.protocol,
      formatFrontend(view.frontend),
      view.backends.length ? String(view.backends.length) : '0 (refuses)',
    ]),
  );
}
