// SPDX-License-Identifier: Apache-2.0
// An API server that has Services and slices, but of the Node and the ServiceCIDRs nothing that helps: it
// refuses them, does not know them, or never answers. Both are optional (semantics 1.1), so nobody waits long.

import { writeFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import type { Status } from '../../agent/telemetry/status.ts';
import type { FabricMethods } from '../lab/fabric-process.ts';
import type { KubeObject } from '../lab/kube-object.ts';
import { kubeconfig } from '../lab/kubeconfig.ts';
import { Remote } from '../lab/rpc.ts';
import { until } from '../lab/until.ts';
import { programmed } from './kernel-backends.ts';
import { bothProtocols, kubeService, targetAt } from './kube-service.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';

const LISTENER = fileURLToPath(new URL('../lab/fabric-process.ts', import.meta.url));
const PORT = 6443;
const WEB = '10.96.0.1';
const OBJECTS = kubeService('web', [WEB], bothProtocols(80, ['10.244.1.1']));
const OF_PATH: Readonly<Record<string, string>> = {
  '/api/v1/services': 'Service',
  '/apis/discovery.k8s.io/v1/endpointslices': 'EndpointSlice',
};

const node = nodeForFile(test, async () => {});

/** A list of what there is of the required kinds, watches without events, and `optional` for all else. */
async function serve(
  t: ExecutionContext,
  optional: (response: ServerResponse) => void,
): Promise<readonly string[]> {
  const http = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const kind = OF_PATH[url.pathname];
    if (!kind) optional(response);
    else if (url.searchParams.has('watch')) response.writeHead(200).flushHeaders();
    else response.end(listOf(OBJECTS.filter((object) => object.kind === kind)));
  });
  const child = node().spawn([process.execPath, LISTENER], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const where = { host: '127.0.0.1', port: PORT };
  const listener = (await new Remote<FabricMethods>(child).call('listen', where)) as Server;
  listener.on('connection', (socket) => http.emit('connection', socket));
  t.teardown(async () => {
    await node().agent.end('SIGTERM');
    await node().signalbox('cleanup');
    http.closeAllConnections();
    listener.close();
    if (child.connected) child.disconnect();
  });
  const file = path.join(node().directory, 'kubeconfig');
  writeFileSync(file, kubeconfig(`http://127.0.0.1:${PORT}`));
  return ['--kubeconfig', file];
}

function listOf(items: readonly KubeObject[]): string {
  return JSON.stringify({ kind: 'List', metadata: { resourceVersion: '1' }, items });
}

async function status(): Promise<Status | undefined> {
  const { stdout } = await node().signalbox('status', '-o', 'json');
  return (JSON.parse(stdout) as { agent?: Status }).agent;
}

for (const code of [403, 404]) {
  test.serial(`${code} for Node and ServiceCIDR: nobody waits, and status says why`, async (t) => {
    if (!canMakeNodes(t)) return;
    const flags = await serve(t, (response) => response.writeHead(code).end());
    await node().agent.start(flags);
    await programmed(node(), `${WEB}:80/TCP`, [targetAt('10.244.1.1')]);
    const { healthy, watches } = (await status()) as Status;
    t.true(healthy);
    t.deepEqual(
      watches.filter(({ phase }) => phase === 'unavailable').map(({ kind }) => kind),
      ['Node', 'ServiceCIDR'],
    );
    t.true(watches.slice(2).every(({ lastError }) => lastError?.includes(`${code}`)));
  });
}

test.serial(
  'no answer: it is waited for, status says for what, and then it goes without',
  async (t) => {
    if (!canMakeNodes(t)) return;
    const flags = await serve(t, () => {});
    node().agent.launch(flags);
    const problem = '30 s at most are given to the API server to tell of Node and ServiceCIDR';
    await until('status says what is missing', async () => {
      return (await status())?.problems.includes(problem);
    });
    await until('it is ready', () => node().agent.log.some(({ msg }) => msg === 'ready'), 90_000);
    await programmed(node(), `${WEB}:80/TCP`, [targetAt('10.244.1.1')]);
    t.is((await status())?.selfTest, 'passed');
  },
);
