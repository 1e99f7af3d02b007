// SPDX-License-Identifier: Apache-2.0
// `signalbox backends`: which backends each frontend leads to now, as the kernel holds them.

import { Command } from 'commander';
import { formatEndpoint } from '../model/address.ts';
import { formatFrontend, frontendViews, nameCells, selectService } from './kernel-view.ts';
import { bpffsOption, openTablesOrExplain, outputOption } from './options.ts';
import { printTable } from './table.ts';

interface Options {
  readonly bpffs: string;
  readonly output: 'table' | 'json';
}

export function command(): Command {
  return new Command('backends')
    .description('the backends that each frontend leads to now')
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
    const rows = views.map(({ frontend, servicePort, backends }) => ({
      service: servicePort?.service ?? null,
      port: servicePort?.portName ?? null,
      frontend,
      backends,
    }));
    console.log(JSON.stringify(rows, undefined, 2));
    return;
  }
  printTable(
    ['NAMESPACE', 'NAME', 'PORT', 'PROTOCOL', 'FRONTEND', 'BACKEND'],
    views.flatMap((view) =>
      view.backends.map(({ address, port }) => [
        ...nameCells(view),
        view.frontend.protocol,
        formatFrontend(view.frontend),
        formatEndpoint(address, port),
      ]),
    ),
  );
}
