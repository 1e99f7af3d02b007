// SPDX-License-Identifier: Apache-2.0
// Somebody takes pins out of the BPF file system, as a clean-up script does: the agent puts its programs back on their
// hooks, and ends where tables are gone, to be started anew.

import { rmSync } from 'node:fs';
import test from 'ava';
import { until } from '../lab/until.ts';
import { programmed } from './kernel-backends.ts';
import { bothProtocols, kubeService, targetAt } from './kube-service.ts';
import { canMakeNodes } from './node-for-file.ts';
import { TestNode } from './test-node.ts';

const WEB = '10.96.0.1';
const BACKEND = '10.244.1.1';
/** The agent looks every ten seconds. */
const WITHIN_MS = 30_000;

const isHealthy = async (node: TestNode) => (await node.signalbox('status')).code === 0;

test('programs come back on their hooks; without its tables the agent ends', async (t) => {
  if (!canMakeNodes(t)) return;
  const node = await TestNode.create();
  t.teardown(() => node.close());
  node.write('web', kubeService('web', [WEB], bothProtocols(80, [BACKEND])));
  await node.agent.start();

  for (const hook of ['connect4', 'sendmsg6']) rmSync(`${node.bpffs}/links/${hook}`);
  const { stdout } = await node.signalbox('status');
  t.regex(stdout, /no program is attached to connect4/);
  await until('the programs are back', () => isHealthy(node), WITHIN_MS);
  const told = node.agent.log.find(({ msg }) => msg?.includes('put back'));
  t.is(String(told?.hooks).split(',').sort().join(), 'connect4,sendmsg6');

  rmSync(`${node.bpffs}/maps`, { recursive: true });
  await until(
    'the agent ends',
    async () => (await node.signalbox('status')).stdout.includes('the agent is not running'),
    WITHIN_MS,
  );
  t.true(node.agent.log.some(({ msg }) => msg?.includes('somebody has removed')));
  t.is(await node.agent.end('SIGTERM'), 1);
  await node.agent.start();
  await programmed(node, `${WEB}:80/TCP`, [targetAt(BACKEND)]);
  t.true(await isHealthy(node));
});
