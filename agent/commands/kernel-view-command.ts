// SPDX-License-Identifier: Apache-2.0
// What `services` and `backends` have in common: both show the frontends in the kernel, each in its way.

import { Command } from 'commander';
import { type FrontendView, frontendViews, selectService } from './kernel-view.ts';
import { bpffsOption, openTablesOrExplain, outputOption } from './options.ts';
import { printTable } from './table.ts';
import { sayJson } from './terminal.ts';

export interface KernelViewCommand {
  readonly name: string;
  readonly description: string;
  readonly heads: readonly string[];
  /** Rows of the table for one frontend. */
  readonly rows: (view: FrontendView) => readonly (readonly string[])[];
  /** The same for `-o json`. */
  readonly json: (view: FrontendView) => object;
}

interface Options {
  readonly bpffs: string;
  readonly output: 'table' | 'json';
}

export function kernelViewCommand(shown: KernelViewCommand): Command {
  return new Command(shown.name)
    .description(shown.description)
    .argument('[service]', 'only this Service: name or namespace/name')
    .addOption(bpffsOption())
    .addOption(outputOption())
    .action((service: string | undefined, { bpffs, output }: Options) => {
      const tables = openTablesOrExplain(bpffs);
      const views = selectService(frontendViews(tables), service);
      tables.close();
      if (output === 'json') sayJson(views.map(shown.json));
      else printTable(shown.heads, views.flatMap(shown.rows));
    });
}
