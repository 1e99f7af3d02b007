// SPDX-License-Identifier: Apache-2.0
// The slots outgrow their array while clients connect: a larger copy takes its place, and no connection fails.

import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { programmed } from './kernel-backends.ts';
import { bothProtocols, kubeService, targetAt } from './kube-service.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { SocketProbe, type Target } from './socket-probe.ts';
import { startBackends } from './start-backends.ts';

const WEB = '10.96.0.1';
/** What a new table has room for (agent/sys/slot-array.ts). */
const FIRST_CAPACITY = 4096;
const LARGE = 4500;
const FEW = ['10.244.1.1', '10.244.1.2'];
const TARGETS: readonly Target[] = (['tcp', 'udp', 'sendto', 'kept'] as const).map((kind) => ({
  kind,
  address: WEB,
  port: 80,
}));

const node = nodeForFile(test, async (made) => {
  made.write('web', kubeService('web', [WEB], bothProtocols(80, FEW)));
  await startBackends(made);
  await made.agent.start();
});

test.serial('from two backends to more than the first array holds, again and again', async (t) => {
  if (!canMakeNodes(t)) return;
  t.is(await slots(), FIRST_CAPACITY);
  const probe = await SocketProbe.start(node());
  const clients = probe.repeat(TARGETS, { timeoutMs: 30_000 });
  const allowed = new Set(FEW.map(targetAt));
  let before = FIRST_CAPACITY;
  // A new run must not take the place of the one in force: each time more is needed than there is.
  for (let round = 0; round < 3; round++) {
    const backends = manyAddresses(round, LARGE * 2 ** round);
    const names = backends.map(targetAt);
    for (const name of names) allowed.add(name);
    node().write('web', kubeService('web', [WEB], bothProtocols(80, backends)));
    await programmed(node(), `${WEB}:80/TCP`, names);
    await programmed(node(), `${WEB}:80/UDP`, names);
    const now = await slots();
    t.true(now > before, `${now} slots after ${before}`);
    before = now;
    await sleep(200);
  }
  probe.stop();
  const attempts = await clients;
  t.log(`${attempts.length} connections, ${before} slots`);
  t.deepEqual(attempts.filter(({ landed }) => !allowed.has(landed)).slice(0, 5), []);
  t.true(new Set(attempts.map(({ landed }) => landed)).size > 100, 'all backends are in use');
});

async function slots(): Promise<number> {
  const { stdout } = await node().signalbox('status', '-o', 'json');
  return (JSON.parse(stdout) as { kernel: { slots: number } }).kernel.slots;
}

/** Different ones in each round. */
function manyAddresses(round: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => {
    const n = round + i * 3;
    return `10.244.${16 + Math.floor(n / 250)}.${1 + (n % 250)}`;
  });
}
