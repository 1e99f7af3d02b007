// SPDX-License-Identifier: Apache-2.0
// More frontends than the table holds: what does not fit is named, in few words, and everything else works.

import test from 'ava';
import type { Status } from '../../agent/telemetry/status.ts';
import { until } from '../lab/until.ts';
import { programmed } from './kernel-backends.ts';
import { bothProtocols, kubeService, targetAt } from './kube-service.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { SocketProbe } from './socket-probe.ts';
import { startBackends } from './start-backends.ts';

const WEB = '10.96.0.1';
/** Together more than 131,072, each address twice (its echo), and without one of the manifests less. */
const [MANIFESTS, SERVICES, ADDRESSES] = [3, 20, 1500] as const;

const node = nodeForFile(test, async (made) => {
  await startBackends(made);
  made.write('a-web', kubeService('web', [WEB], bothProtocols(80, ['10.244.1.1'])));
  for (let i = 0; i < MANIFESTS; i++) made.write(`many-${i}`, many(i));
  await made.agent.start();
});

/** Services with external IPs. */
function many(manifest: number) {
  return Array.from({ length: SERVICES }, (_, i) => {
    const externalIPs = Array.from(
      { length: ADDRESSES },
      (_, j) => `${100 + manifest}.${i}.${j >> 8}.${j & 255}`,
    );
    const ports = [{ protocol: 'TCP', port: 80, backends: ['10.244.1.2'] }] as const;
    const clusterIP = `10.96.${1 + manifest}.${i + 1}`;
    return kubeService(`many-${manifest}-${i}`, [clusterIP], ports, { spec: { externalIPs } });
  }).flat();
}

async function status(): Promise<Status> {
  const { stdout } = await node().signalbox('status', '-o', 'json');
  return (JSON.parse(stdout) as { agent: Status }).agent;
}

test.serial('what does not fit is named; other Services change as before', async (t) => {
  if (!canMakeNodes(t)) return;
  const { failures, selfTest } = await status();
  t.true(failures.length > 0);
  t.true(failures.every(({ service }) => service.startsWith('default/many-')));
  // A table that is full says nothing of the programs.
  t.is(selfTest, 'not possible');
  // One line for each attempt, not for each Service.
  const said = node().agent.log.filter(({ level }) => level === 'error');
  t.is(said[0]?.otherServices, failures.length - 1);
  t.true(said.length < failures.length);

  node().write('a-web', kubeService('web', [WEB], bothProtocols(80, ['10.244.1.3'])));
  await programmed(node(), `${WEB}:80/TCP`, [targetAt('10.244.1.3')]);
  const probe = await SocketProbe.start(node());
  const [attempt] = await probe.repeat([{ kind: 'tcp', address: WEB, port: 80 }], {
    count: 1,
    timeoutMs: 10_000,
  });
  t.is(attempt?.landed, targetAt('10.244.1.3'));
});

test.serial('when there is room, it fits', async (t) => {
  if (!canMakeNodes(t)) return;
  node().remove('many-0');
  const fits = async () => !(await status()).failures.length;
  t.true(await until('every Service is programmed', fits, 90_000));
  await programmed(node(), '100.0.0.0:80/TCP', undefined);
  await programmed(node(), '102.19.5.219:80/TCP', [targetAt('10.244.1.2')]);
});
