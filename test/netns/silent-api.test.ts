// SPDX-License-Identifier: Apache-2.0
// An API server that has Services and slices, but of the Node and the ServiceCIDRs nothing that helps: it
// refuses them, does not know them, or never answers. Both are optional (semantics 1.1), so nobody waits long; and what
// an agent before was told stays in force.

import { writeFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { readNode, type ToldNode } from '../../agent/reconcile/node-tables.ts';
import { openTables } from '../../agent/sys/datapath.ts';
import { Pins } from '../../agent/sys/pins.ts';
import type { Status } from '../../agent/telemetry/status.ts';
import { faultTest } from '../faults/fault-test.ts';
import type { FabricMethods } from '../lab/fabric-process.ts';
import { kubeconfig } from '../lab/kubeconfig.ts';
import { Remote } from '../lab/rpc.ts';
import { until } from '../lab/until.ts';
import { programmed } from './kernel-backends.ts';
import { bothProtocols, kubeService, targetAt } from './kube-service.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { type Attempt, SocketProbe, type Target } from './socket-probe.ts';
import { startBackends } from './start-backends.ts';

const LISTENER = fileURLToPath(new URL('../lab/fabric-process.ts', import.meta.url));
const PORT = 6443;
const WEB = '10.96.0.1';
const NODE_PORT = 30_080;
const NODE_IP = '10.244.255.1';
const PORTS = bothProtocols(80, ['10.244.1.1'], { nodePort: NODE_PORT });
const OBJECTS = kubeService('web', [WEB], PORTS, { spec: { type: 'NodePort' } });
const NODE = {
  metadata: { name: 'node-1' },
  spec: { podCIDRs: ['10.244.0.0/16'] },
  status: { addresses: [{ type: 'InternalIP', address: NODE_IP }] },
};
const SERVICE_CIDR = { metadata: { name: 'kubernetes' }, spec: { cidrs: ['10.96.0.0/16'] } };
const OF_PATH: Readonly<Record<string, string>> = {
  '/api/v1/services': 'Service',
  '/apis/discovery.k8s.io/v1/endpointslices': 'EndpointSlice',
};

const node = nodeForFile(test, startBackends);

/** A list of what there is of the required kinds, watches without events, and `optional` for all else. */
async function serve(
  t: ExecutionContext,
  optional: (response: ServerResponse, url: URL) => void,
): Promise<readonly string[]> {
  const http = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const kind = OF_PATH[url.pathname];
    if (!kind) optional(response, url);
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

function listOf(items: readonly unknown[]): string {
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

/** Answers for the Node and the ServiceCIDRs. */
function tell(response: ServerResponse, url: URL): void {
  if (url.searchParams.has('watch')) response.writeHead(200).flushHeaders();
  else response.end(listOf(url.pathname.endsWith('/nodes') ? [NODE] : [SERVICE_CIDR]));
}

/** What the kernel's tables say of the node, and where they serve nodePorts. */
function toldNode(): (ToldNode & { readonly nodePortsAt: readonly string[] }) | undefined {
  const tables = openTables(new Pins(node().bpffs));
  try {
    const [[, { netnsCookie }] = [0, { netnsCookie: 0n }]] = tables.nodes.entries();
    const told = readNode(tables, netnsCookie);
    const nodePortsAt = tables.nodePortAddresses.entries().map(([{ address }]) => address);
    return told && { ...told, nodePortsAt };
  } finally {
    tables.close();
  }
}

const isRefused = ({ landed }: Attempt) => landed !== targetAt('10.244.1.1');

faultTest(test, 'api-node-silent', async (t, report) => {
  if (!canMakeNodes(t)) return;
  let answer = tell;
  const flags = await serve(t, (response, url) => answer(response, url));
  node().agent.flags = ['--node-name', 'node-1', '--nodeport-addresses', 'primary'];
  await node().agent.start(flags);
  await programmed(node(), `nodePort 0.0.0.0:${NODE_PORT}/TCP`, [targetAt('10.244.1.1')]);
  const before = toldNode();
  t.deepEqual(before as unknown, {
    nodeIPs: [NODE_IP],
    serviceCIDRs: ['10.96.0.0/16'],
    clusterCIDRs: ['10.244.0.0/16'],
    nodePortsAt: [NODE_IP],
  });
  await node().agent.end('SIGKILL');

  answer = () => {};
  const probe = await SocketProbe.start(node());
  const targets: Target[] = [
    { kind: 'tcp', address: WEB, port: 80 },
    { kind: 'tcp', address: NODE_IP, port: NODE_PORT },
    { kind: 'sendto', address: NODE_IP, port: NODE_PORT },
  ];
  const attempting = probe.repeat(targets, { timeoutMs: 120_000, pauseUs: 5000 });
  node().agent.launch(flags);
  const problem = '30 s at most are given to the API server to tell of Node and ServiceCIDR';
  await until('status says what is missing', async () => {
    return (await status())?.problems.includes(problem);
  });
  await until('it is ready', () => node().agent.log.some(({ msg }) => msg === 'ready'), 90_000);
  await programmed(node(), `${WEB}:80/TCP`, [targetAt('10.244.1.1')]);
  t.is((await status())?.selfTest, 'passed');
  t.deepEqual(toldNode(), before, 'nothing is known that would change it');
  probe.stop();
  const attempts = await attempting;
  const failed = attempts.filter(isRefused).length;
  report({ injections: 1, attempts: attempts.length, failed });
  t.is(failed, 0);
});
