// SPDX-License-Identifier: Apache-2.0
// A node with an agent, asked by load balancers and kubelets: /healthz and /livez, and the health checks of a Service,
// of both families, while the Service, its endpoints, the Node and the API server change (semantics 1.11, 1.12).

import { once } from 'node:events';
import test, { type ExecutionContext } from 'ava';
import type { ClientMethods } from '../lab/apps/client.ts';
import type { HttpAnswer } from '../lab/apps/http-get.ts';
import type { KubeObject } from '../lab/kube-object.ts';
import type { Remote } from '../lab/rpc.ts';
import { startClient } from '../lab/start-client.ts';
import { until } from '../lab/until.ts';
import { endpointsInBothFamilies, inBothFamilies } from './dual-stack.ts';
import { programmed } from './kernel-backends.ts';
import { type EndpointSketch, kubeService, targetAt } from './kube-service.ts';
import { type NodeApiServer, serveApi } from './node-api-server.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';

const NODE = 'node-1';
const PORT = 30_100;
const OTHER_PORT = 30_101;
/** The node's own; as loopback they are local whatever the network is. */
const HOSTS = ['127.0.0.1', '10.244.255.1', '[::1]', '[fd00:10:244:ffff::1]'];
const HERE = { address: '10.244.1.1', nodeName: NODE };
const THERE = { address: '10.244.2.1', nodeName: 'node-2' };
const FLAGS = ['--node-name', NODE, '--service-cidr', '10.96.0.0/16'];

let api: NodeApiServer | undefined;
let client: Remote<ClientMethods>;

const node = nodeForFile(test, async (made) => {
  api = await serveApi(made);
  client = startClient(made);
  store().create(nodeObject());
  publish([HERE, THERE]);
  made.agent.flags = FLAGS;
  await made.agent.start(api.flags);
});

test.after.always(() => api?.close());

function store(): NodeApiServer['store'] {
  if (!api) throw new Error('there is no API server');
  return api.store;
}

function nodeObject(spec: object = {}): KubeObject {
  return { apiVersion: 'v1', kind: 'Node', metadata: { name: NODE }, spec } as KubeObject;
}

/** Gives the Service `web` these endpoints, of both families. */
function publish(
  endpoints: readonly EndpointSketch[],
  spec: object = { healthCheckNodePort: PORT },
): void {
  const objects = kubeService(
    'web',
    inBothFamilies('10.96.0.1'),
    [{ protocol: 'TCP', port: 80, backends: endpointsInBothFamilies(...endpoints) }],
    { spec: { type: 'LoadBalancer', externalTrafficPolicy: 'Local', ...spec } },
  );
  for (const object of objects) store().apply(object);
}

/** @returns undefined when nobody listens. */
async function get(host: string, port: number, path = '/'): Promise<HttpAnswer | undefined> {
  try {
    return await client.call('get', { url: `http://${host}:${port}${path}` });
  } catch {
    return undefined;
  }
}

async function answers(code: number | undefined, port: number, hosts = HOSTS): Promise<void> {
  for (const host of hosts) {
    await until(`${code} at ${host}:${port}`, async () => (await get(host, port))?.status === code);
  }
}

const healthz = (path = '/healthz') => get('127.0.0.1', 10_256, path);

async function healthzIs(t: ExecutionContext, code: number): Promise<void> {
  await until(`${code} from /healthz`, async () => (await healthz())?.status === code);
  t.like(JSON.parse((await healthz())?.body ?? ''), { nodeEligible: code === 200, healthy: true });
  t.is((await healthz('/livez'))?.status, 200, '/livez does not care');
}

test.serial('a load balancer asks, by either family, and learns of local endpoints', async (t) => {
  if (!canMakeNodes(t)) return;
  await answers(200, PORT);
  for (const host of HOSTS) {
    const { headers, body } = (await get(host, PORT)) as HttpAnswer;
    t.is(headers['x-load-balancing-endpoint-weight'], '1');
    t.deepEqual(JSON.parse(body), {
      service: { namespace: 'default', name: 'web' },
      localEndpoints: 1,
      serviceProxyHealthy: true,
    });
  }
});

test.serial('endpoints that drain are served, and no longer counted', async (t) => {
  if (!canMakeNodes(t)) return;
  publish([{ ...HERE, conditions: { ready: false, serving: true, terminating: true } }]);
  await answers(503, PORT);
  await programmed(node(), '10.96.0.1:80/TCP', [targetAt(HERE.address)]);
  publish([THERE]);
  await programmed(node(), '10.96.0.1:80/TCP', [targetAt(THERE.address)]);
  await answers(503, PORT);
  publish([HERE, THERE]);
  await answers(200, PORT);
  t.pass();
});

test.serial('policy Cluster: nobody listens; Local again at another port', async (t) => {
  if (!canMakeNodes(t)) return;
  publish([HERE], { externalTrafficPolicy: 'Cluster' });
  await answers(undefined, PORT);
  publish([HERE], { healthCheckNodePort: OTHER_PORT });
  await answers(200, OTHER_PORT);
  await answers(undefined, PORT);
  t.pass();
});

test.serial('a port that is taken: an Event says so, and it is had once it is free', async (t) => {
  if (!canMakeNodes(t)) return;
  publish([HERE], { externalTrafficPolicy: 'Cluster' });
  const listen = `require('net').createServer().listen(${PORT}, '0.0.0.0', () => console.log('up'))`;
  const squatter = node().spawn([process.execPath, '-e', listen], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => squatter.kill('SIGKILL'));
  await once(squatter.stdout as NodeJS.ReadableStream, 'data');
  publish([HERE]);
  await answers(200, PORT, ['[::1]']);
  const event = await until(
    'the Event',
    () =>
      store()
        .list('Event')
        .find(({ reason }) => reason === 'FailedToStartServiceHealthcheck'),
    30_000,
  );
  t.like(event, {
    type: 'Warning',
    involvedObject: { kind: 'Service', name: 'web' },
    reportingInstance: NODE,
  });
  t.regex(String(event.message), /port 30100: listen EADDRINUSE/);
  squatter.kill('SIGKILL');
  await once(squatter, 'exit');
  await answers(200, PORT);
});

test.serial('the agent says on its Node that it has started', async (t) => {
  if (!canMakeNodes(t)) return;
  const event = await until(
    'the Event',
    () =>
      store()
        .list('Event')
        .find(({ reason }) => reason === 'Starting'),
    30_000,
  );
  t.like(event, { type: 'Normal', involvedObject: { kind: 'Node', name: NODE, uid: NODE } });
});

test.serial(
  '/healthz: a node that is about to go is drained, a kubelet does not mind',
  async (t) => {
    if (!canMakeNodes(t)) return;
    await healthzIs(t, 200);
    t.regex((await healthz())?.body ?? '', /"status":\{"IPv4":.*"IPv6":/);
    t.is((await get('[::1]', 10_256, '/healthz'))?.status, 200);
    store().update(
      nodeObject({ taints: [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }] }),
    );
    store().update(
      nodeObject({ taints: [{ key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' }] }),
    );
    await healthzIs(t, 503);
    t.is((await get('127.0.0.1', PORT))?.status, 200, 'health checks of Services go on');
    store().update(nodeObject());
    await healthzIs(t, 200);
    store().delete('Node', '', NODE);
    await healthzIs(t, 503);
    store().create(nodeObject());
    await healthzIs(t, 200);
  },
);

test.serial(
  '--nodeport-addresses: health checks are answered there alone, as addresses come and go',
  async (t) => {
    if (!canMakeNodes(t)) return;
    await node().agent.end('SIGTERM');
    await answers(undefined, PORT);
    node().agent.flags = [...FLAGS, '--nodeport-addresses', '192.0.2.0/24,2001:db8::/32'];
    await node().agent.start(api?.flags);
    t.is(await get('127.0.0.1', PORT), undefined);
    await node().configure('addr add 192.0.2.1/32 dev lo', 'addr add 2001:db8::1/128 dev lo nodad');
    await answers(200, PORT, ['192.0.2.1', '[2001:db8::1]']);
    await node().configure('addr add 192.0.2.2/32 dev lo', 'addr del 192.0.2.1/32 dev lo');
    await answers(200, PORT, ['192.0.2.2']);
    await answers(undefined, PORT, HOSTS);
    await node().agent.end('SIGTERM');
    node().agent.flags = FLAGS;
    await node().agent.start(api?.flags);
  },
);

test.serial('the Service goes, and its port with it', async (t) => {
  if (!canMakeNodes(t)) return;
  await answers(200, PORT);
  store().delete('Service', 'default', 'web');
  await answers(undefined, PORT);
  publish([HERE]);
  await answers(200, PORT);
  t.pass();
});

test.serial('without an API server all goes on being healthy', async (t) => {
  if (!canMakeNodes(t)) return;
  await api?.close();
  api = undefined;
  await until('it is missed', () => node().agent.log.some(({ msg }) => msg === 'watch failed'));
  await healthzIs(t, 200);
  await answers(200, PORT);
});

test.serial('manifests alone: no Node object, no reason to send traffic away', async (t) => {
  if (!canMakeNodes(t)) return;
  await node().agent.end('SIGTERM');
  node().write('none', []);
  await node().agent.start();
  await healthzIs(t, 200);
});

test.serial('--bind-address-hard-fail: the agent ends, and says what to do', async (t) => {
  if (!canMakeNodes(t)) return;
  // The agent of the test before has the address, and other tables.
  const { bpffs } = node();
  const argv = node()
    .agent.argv()
    .map((word) => (word === bpffs ? `${bpffs}/second` : word));
  const { code, stderr } = await node().run([...argv, '--bind-address-hard-fail']);
  t.is(code, 1);
  t.regex(
    stderr,
    /cannot serve \/healthz and \/livez on 0\.0\.0\.0, port 10256: listen EADDRINUSE/,
  );
  t.is((await healthz())?.status, 200, 'the other one goes on');
});
