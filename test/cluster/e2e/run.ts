// SPDX-License-Identifier: Apache-2.0
// Runs the end-to-end tests against a cluster. Called by `npm run cluster -- test`. Clients that all files of tests share
// are made before and taken away after; each file looks after what else it makes.

import { spawn } from 'node:child_process';
import path from 'node:path';
import { ROOT, TOOL_ENV } from '../../../scripts/command.ts';
import { INVENTORY_FILE, readInventory } from '../inventory.ts';
import { agentImage } from './agents.ts';
import { openApi } from './api.ts';
import { CLIENTS_NAMESPACE, makeClients, removeNamespace } from './clients.ts';
import { INVENTORY_VARIABLE } from './stage.ts';

export interface RunOptions {
  readonly inventoryFile?: string;
  /** Titles, as AVA's --match takes them. */
  readonly match?: readonly string[];
  /** Names of files without .e2e.ts; default: all. */
  readonly files?: readonly string[];
  /** Leaves the clients, for the next run to replace. */
  readonly keep?: boolean;
}

/** @returns AVA's exit code. @throws EnvironmentError when the cluster cannot be reached. */
export async function runEndToEnd(options: RunOptions = {}): Promise<number> {
  const inventoryFile = path.resolve(options.inventoryFile ?? INVENTORY_FILE);
  const inventory = readInventory(inventoryFile);
  const api = await openApi(inventory);
  try {
    await makeClients(api, inventory, await agentImage(api));
    return await runAva(options, inventoryFile);
  } finally {
    if (!options.keep) await removeNamespace(api, CLIENTS_NAMESPACE);
    api.close();
  }
}

function runAva({ match = [], files = [] }: RunOptions, inventoryFile: string): Promise<number> {
  const args = [
    ['--config', 'test/cluster/ava.config.js'],
    ...match.map((title) => ['--match', title]),
    ...files.map((name) => [`test/cluster/e2e/${name}.e2e.ts`]),
  ];
  const env = { ...TOOL_ENV, [INVENTORY_VARIABLE]: inventoryFile };
  const child = spawn('ava', args.flat(), { cwd: ROOT, env, stdio: 'inherit' });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
}
