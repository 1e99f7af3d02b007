// SPDX-License-Identifier: Apache-2.0
// A cluster moves from a real kube-proxy to Signalbox and back, in each way in which kube-proxy writes rules:
// what is open goes on, and nothing fails. takeover.test.ts has the same with rules like its own, and more traffic.

import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { requireKubeProxy, requireProgram, requireRoot } from '../helpers/requirements.ts';
import { AgentProcess } from '../lab/agent-process.ts';
import type { ClientMethods } from '../lab/apps/client.ts';
import type { Target } from '../lab/apps/request.ts';
import {
  KUBE_PROXY_BESIDE,
  KUBE_PROXY_MODES,
  type KubeProxyMode,
  xtablesProgram,
} from '../lab/kube-proxy-config.ts';
import { KubeProxyProcess } from '../lab/kube-proxy-process.ts';
import { Lab } from '../lab/lab.ts';
import type { Remote } from '../lab/rpc.ts';
import { serviceSpec } from '../lab/service-spec.ts';

const NODE_PORT = 30080;
const PER_SECOND = 25;
/** Of each stage: several times what a connection takes. */
const STAGE_MS = 1_500;
/** More than buffers hold: the rest of a download comes later, or never. */
const PIECE = 4 * 2 ** 20;

const PODS = ['web-1', 'web-2'].map((name, i) => pod(name, i + 1, 'quote', 'web'));
const CLIENTS = ['client-1', 'client-2'].map((name, i) => pod(name, i + 1, 'client', 'client'));
const SERVICE = `
apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  type: NodePort
  ipFamilyPolicy: RequireDualStack
  selector: { app: web }
  ports: [{ port: 80, targetPort: 8080, nodePort: ${NODE_PORT} }]
`;

interface Caller {
  readonly name: string;
  readonly client: Remote<ClientMethods>;
  readonly target: Target;
}

for (const mode of KUBE_PROXY_MODES) {
  test.serial(`${mode}: from kube-proxy, and back`, async (t) => {
    const binary = requireKubeProxy(t);
    if (!binary || !requireRoot(t) || !requireProgram(t, xtablesProgram(mode))) return;
    const lab = await Lab.start({
      agents: false,
      outsiders: 1,
      manifests: [[...PODS, ...CLIENTS, SERVICE].join('\n---\n')],
    });
    t.teardown(() => lab.close());
    await lab.podsReady();
    await thereAndBack(t, lab, binary, mode);
  });
}

async function thereAndBack(
  t: ExecutionContext,
  lab: Lab,
  binary: string,
  mode: KubeProxyMode,
): Promise<void> {
  const { nodeKubeconfig: kubeconfig, directory } = lab;
  const proxies = lab.nodes.map(
    (node) =>
      new KubeProxyProcess({ binary, node, mode, kubeconfig, directory, ports: KUBE_PROXY_BESIDE }),
  );
  const agents = lab.nodes.map((node) => {
    const logFile = path.join(directory, `agent-${node.name}.log`);
    const compileCache = path.join(directory, 'compile-cache');
    return new AgentProcess({ node, kubeconfig, logFile, compileCache });
  });
  const callers = callersOf(lab);
  const command = async (...args: [string, ...string[]]) => {
    for (const { code, stdout, stderr } of await Promise.all(agents.map((a) => a.run(...args))))
      t.is(code, 0, `${args.join(' ')}: ${stdout}${stderr}`);
  };

  await Promise.all(proxies.map((proxy) => proxy.start()));
  const before = await downloads(callers);
  await stage(t, callers, 'kube-proxy alone', async () => {});
  await stage(t, callers, 'agents start', () => Promise.all(agents.map((agent) => agent.start())));
  const beside = await downloads(callers);
  await stage(t, callers, 'kube-proxies end', () =>
    Promise.all(proxies.map((proxy) => proxy.stop())),
  );
  await stage(t, callers, 'its rules go', () => command('cleanup', '--kube-proxy'));
  t.deepEqual(await rulesOfServices(lab, mode), []);
  await whole(t, before);
  await whole(t, beside);

  const after = await downloads(callers);
  await stage(t, callers, 'kube-proxies start', () =>
    Promise.all(proxies.map((proxy) => proxy.start())),
  );
  await stage(t, callers, 'agents end', () => Promise.all(agents.map((agent) => agent.kill())));
  const draining = command('cleanup', '--drain', '--drain-timeout', '30s');
  await stage(t, callers, 'drain', () => sleep(STAGE_MS));
  await whole(t, after);
  await stage(t, callers, 'the drain ends', () => draining);
}

/** Clients in pods, on a node, outside; by both families. */
function callersOf(lab: Lab): Caller[] {
  const service = lab.store.get('Service', 'default', 'web');
  const { clusterIPs = [] } = serviceSpec(service as NonNullable<typeof service>);
  const node = lab.node(1);
  const inside = [...['client-1', 'client-2'].map((name) => lab.pod(name)), node];
  return [
    ...inside.flatMap(({ name, client }) =>
      clusterIPs.map((host) => ({ name: `${name} to ${host}`, client, target: { host } })),
    ),
    ...[lab.outsider(1), lab.pod('client-2')].flatMap(({ name, client }) =>
      Object.values(node.addresses).map((host) => ({
        name: `${name} to ${host}`,
        client,
        target: { host, port: NODE_PORT },
      })),
    ),
  ];
}

/** New connections all the while. */
async function stage(
  t: ExecutionContext,
  callers: readonly Caller[],
  name: string,
  body: () => Promise<unknown>,
): Promise<void> {
  const streams = await Promise.all(
    callers.map(({ client, target }) =>
      client.call('startStream', { ...target, perSecond: PER_SECOND }),
    ),
  );
  await body();
  await sleep(STAGE_MS);
  for (const [i, { name: caller, client }] of callers.entries()) {
    const { failures } = await client.call('stopStream', { stream: streams[i] as number });
    t.deepEqual(failures, [], `${name}: ${caller}`);
  }
}

interface Begun extends Caller {
  readonly download: number;
}

function downloads(callers: readonly Caller[]): Promise<Begun[]> {
  return Promise.all(
    callers.map(async (caller) => {
      const download = await caller.client.call('startDownload', caller.target);
      await caller.client.call('download', { download, bytes: PIECE });
      return { ...caller, download };
    }),
  );
}

async function whole(t: ExecutionContext, begun: readonly Begun[]): Promise<void> {
  for (const { name, client, download } of begun) {
    const { isWhole, errno, bytes } = await client.call('finishDownload', { download });
    t.true(isWhole, `${name}: ${errno} after ${bytes} bytes`);
  }
}

/** Lines that lead to Services, on the first node. */
async function rulesOfServices(lab: Lab, mode: KubeProxyMode): Promise<string[]> {
  const program = xtablesProgram(mode);
  const argv =
    mode === 'nftables' ? ['/usr/sbin/nft', 'list', 'tables'] : [program, 'iptables-save'];
  const { stdout } = await lab.node(1).run(argv);
  return stdout.split('\n').filter((line) => /KUBE-SVC|KUBE-SERVICES|kube-proxy/.test(line));
}

function pod(name: string, node: number, image: string, app: string): string {
  return `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { app: ${app} } }
spec:
  nodeName: node-${node}
  containers:
    - name: main
      image: ${image}
      ports: [{ containerPort: 8080 }]
`;
}
