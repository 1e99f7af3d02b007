// SPDX-License-Identifier: Apache-2.0
// What an agent has mended so far, by its metrics. It must have been started with METRICS among its flags.

import type { TestNode } from './test-node.ts';

const ADDRESS = '127.0.0.1:10249';

/** Flags of the agent. */
export const METRICS: readonly string[] = ['--metrics-bind-address', ADDRESS];

/** signalbox_repairs_total of a kind. */
export async function repairsOf(
  node: TestNode,
  what: 'tables' | 'hooks' | 'devices' | 'pins',
): Promise<number> {
  const program = `fetch('http://${ADDRESS}/metrics').then((r) => r.text()).then(console.log)`;
  const { stdout, stderr } = await node.run([process.execPath, '-e', program]);
  const [, count] = stdout.match(`signalbox_repairs_total\\{what="${what}"\\} (\\d+)`) ?? [];
  if (count === undefined) throw new Error(`no repairs of ${what} in the metrics: ${stderr}`);
  return Number(count);
}
