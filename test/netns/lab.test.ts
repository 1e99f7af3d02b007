// SPDX-License-Identifier: Apache-2.0
// The lab itself: what the demo, the other tests here and the benchmark stand on.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { createInterface } from 'node:readline';
import test, { type ExecutionContext } from 'ava';
import { findCgroupRoot } from '../../agent/sys/cgroup.ts';
import type { Status } from '../../agent/telemetry/status.ts';
import { requireRoot } from '../helpers/requirements.ts';
import type { AgentProcess } from '../lab/agent-process.ts';
import { BPFFS } from '../lab/bpf-filesystem.ts';
import { Lab, type LabOptions } from '../lab/lab.ts';
import { listNamespaces } from '../lab/netns.ts';
import { isReady } from '../lab/pod-object.ts';
import { serviceSpec } from '../lab/service-spec.ts';
import { until } from '../lab/until.ts';

const PODS = `
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { ipFamilyPolicy: RequireDualStack, selector: { app: web }, ports: [{ port: 80, targetPort: http }] }
---
${webPod('web-1', 'node-1')}
---
${webPod('web-2', 'node-2')}
---
${clientPod('client', 'node-1')}
`;

test.serial('pods reach each other on a node and across nodes, over both families', async (t) => {
  await withLab(t, { agents: false, manifests: [PODS] }, async (lab) => {
    const { client } = lab.pod('client');
    for (const name of ['web-1', 'web-2']) {
      for (const host of Object.values(lab.pod(name).addresses)) {
        const { byPod, failures } = await client.call('requests', { host, port: 8080, count: 3 });
        t.deepEqual({ byPod, failures }, { byPod: { [name]: 3 }, failures: [] });
      }
    }
  });
});

test.serial('what does not exist is unreachable at once', async (t) => {
  await withLab(t, { agents: false, manifests: [PODS] }, async (lab) => {
    const { client } = lab.pod('client');
    const [clusterIP = ''] = clusterIPsOf(lab, 'web');
    const errnoOf = async (host: string) =>
      (await client.call('connect', { host, port: 80 })).errno;
    t.is(await errnoOf('10.244.2.200'), 'EHOSTUNREACH');
    t.is(await errnoOf(clusterIP), 'ENETUNREACH', 'without an agent nobody serves a cluster IP');
  });
});

test.serial('nodes and pods reach the API server; the machine does by 127.0.0.1', async (t) => {
  await withLab(t, { agents: false, manifests: [clientPod('client', 'node-2')] }, async (lab) => {
    for (const host of ['192.0.2.1', '2001:db8:1::1']) {
      const { peer } = await lab.pod('client').client.call('connect', { host, port: 6443 });
      t.truthy(peer, host);
    }
    const [node] = lab.nodes;
    const get =
      'await fetch("http://192.0.2.1:6443/readyz").then((r) => r.text()).then(console.log)';
    const answer = await node?.run([process.execPath, '--input-type=module', '-e', get]);
    t.is(answer?.stdout.trim(), 'ok', answer?.stderr);
  });
});

test.serial('a pod has its cgroup, its resolv.conf and its environment', async (t) => {
  const dns = `
apiVersion: v1
kind: Service
metadata: { name: kube-dns, namespace: kube-system }
spec: { clusterIP: 10.96.0.10, ports: [{ port: 53, protocol: UDP }] }
---
${PODS}`;
  await withLab(t, { agents: false, nodes: 2, manifests: [dns] }, async (lab) => {
    const pod = lab.pod('client');
    const { stdout } = await pod.run(['cat', '/proc/self/cgroup', '/etc/resolv.conf']);
    t.true(stdout.includes(`0::/${lab.id}/node-1/default_client`), stdout);
    t.true(stdout.includes('nameserver 10.96.0.10\n'), stdout);
    t.true(stdout.includes('search default.svc.cluster.local '), stdout);
    const found = await pod.client.call('environment', { prefix: 'WEB_SERVICE_' });
    const [clusterIP] = clusterIPsOf(lab, 'web');
    t.deepEqual(found, { WEB_SERVICE_HOST: clusterIP, WEB_SERVICE_PORT: '80' });
  });
});

test.serial('a pod on the host network has the addresses of its node', async (t) => {
  const manifest = clientPod('client', 'node-2').replace('spec:', 'spec:\n  hostNetwork: true');
  await withLab(t, { agents: false, manifests: [manifest] }, async (lab) => {
    const pod = lab.pod('client');
    t.deepEqual(pod.addresses, lab.nodes[1]?.addresses);
    const { stdout } = await pod.run(['ip', '-brief', 'addr', 'show', 'eth0']);
    t.true(stdout.includes('192.0.2.102/24'), stdout);
  });
});

test.serial('readiness follows the probe; a deleted pod ends in order and is gone', async (t) => {
  await withLab(t, { agents: false, manifests: [PODS] }, async (lab) => {
    const pod = () => lab.store.get('Pod', 'default', 'web-2');
    const ready = () => lab.store.list('Pod').some((each) => each === pod() && isReady(each));
    const url = `http://${lab.pod('web-2').addresses.ipv4}:8080/healthz/ready`;
    await lab.request(url, 'DELETE');
    await until('web-2 unready', () => !ready());
    await lab.request(url, 'PUT');
    await until('web-2 ready', ready);

    const terminating: unknown[] = [];
    const stop = lab.store.subscribe(({ object }) => {
      if (object.kind === 'EndpointSlice') terminating.push(...conditionsOf(object, 'web-2'));
    });
    await lab.deletePod('web-2');
    stop();
    t.is(pod(), undefined);
    t.deepEqual(terminating[0], { ready: false, serving: true, terminating: true });
    const { errno } = await lab
      .pod('client')
      .client.call('connect', { host: new URL(url).hostname, port: 8080 });
    // Its network namespace goes a little later than it does.
    t.true(errno === 'ECONNREFUSED' || errno === 'EHOSTUNREACH', errno);
  });
});

test.serial('agents serve Services, die, come back, and go without a trace', async (t) => {
  const id = await withLab(t, { manifests: [PODS] }, async (lab) => {
    const { client } = lab.pod('client');
    const clusterIPs = clusterIPsOf(lab, 'web');
    const count = 40;
    for (const host of clusterIPs) {
      // The agent hears of endpoints a little after pods are ready.
      await until(
        `${host} serves`,
        async () => (await client.call('connect', { host, port: 80 })).peer,
      );
      const { byPod, failures } = await client.call('requests', { host, count });
      t.deepEqual([Object.keys(byPod), failures], [['web-1', 'web-2'], []]);
    }
    const [agent] = lab.agents;
    await agent?.kill();
    const [host = ''] = clusterIPs;
    t.deepEqual((await client.call('requests', { host, count })).failures, []);
    await agent?.start();
    t.is((await agent?.run('status'))?.code, 0);
  });
  t.deepEqual(tracesOf(id), []);
});

test.serial('clients outside are served by the nodes’ uplinks, not by their sockets', async (t) => {
  const nodePort = 30080;
  const service = `
apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  type: NodePort
  ipFamilyPolicy: RequireDualStack
  selector: { app: web }
  ports: [{ port: 80, targetPort: http, nodePort: ${nodePort} }]
`;
  const manifests = [service, webPod('web-1', 'node-1')];
  await withLab(t, { outsiders: 1, manifests }, async (lab) => {
    const outsider = lab.outsider(1);
    const { client, addresses } = outsider;
    const { stdout } = await outsider.run(['cat', '/proc/self/cgroup']);
    t.true(stdout.includes(`0::/${lab.id}\n`), stdout);
    for (const agent of lab.agents) {
      t.deepEqual(await servedDevices(agent), ['eth0 outward']);
      for (const family of ['ipv4', 'ipv6'] as const) {
        const host = agent.node.addresses[family];
        const attempt = { host, port: nodePort };
        await until(`${host} serves`, async () => (await client.call('connect', attempt)).peer);
        const { byPod, seenAs } = await client.call('requests', { ...attempt, count: 5 });
        t.deepEqual(byPod, { 'web-1': 5 });
        // The only pod is on node-1.
        t.deepEqual(seenAs, [agent.node.index === 1 ? addresses[family] : host]);
      }
    }
  });
});

test.serial('a start that fails leaves nothing', async (t) => {
  if (!requireRoot(t)) return;
  const error = await t.throwsAsync(Lab.start({ agents: false, manifests: ['kind: Nonsense'] }));
  t.regex(error?.message ?? '', /not a Kubernetes object/);
  t.deepEqual(tracesOf(`sblab-${process.pid}-`), []);
});

test.serial('the next lab removes what a killed one left', async (t) => {
  if (!requireRoot(t)) return;
  const program = `
    import { Lab } from ${JSON.stringify(new URL('../lab/lab.ts', import.meta.url).href)};
    const lab = await Lab.start({ agents: false, nodes: 1 });
    console.log(lab.id);`;
  const owner = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [id] = (await once(createInterface({ input: owner.stdout }), 'line')) as [string];
  owner.kill('SIGKILL');
  await once(owner, 'exit');
  t.not(tracesOf(id).length, 0);
  await withLab(t, { agents: false, nodes: 1 }, async () => t.deepEqual(tracesOf(id), []));
});

/** Runs `body` in a lab whose pods are ready, and looks that nothing stays. @returns the lab's id. */
async function withLab(
  t: ExecutionContext,
  options: LabOptions,
  body: (lab: Lab) => Promise<unknown>,
): Promise<string> {
  if (!requireRoot(t)) return '';
  const lab = await Lab.start(options);
  try {
    await lab.podsReady();
    await body(lab);
  } finally {
    await lab.close();
  }
  t.deepEqual(tracesOf(lab.id), []);
  return lab.id;
}

function clusterIPsOf(lab: Lab, service: string): readonly string[] {
  const found = lab.store.get('Service', 'default', service);
  return (found && serviceSpec(found).clusterIPs) ?? [];
}

/** The devices whose packets the agent of a node serves, and as what. */
async function servedDevices(agent: AgentProcess): Promise<string[]> {
  const { stdout } = await agent.run('status', '-o', 'json');
  const { devices } = (JSON.parse(stdout) as { agent: Status }).agent;
  return devices.filter(({ attached }) => attached).map(({ name, role }) => `${name} ${role}`);
}

/** What is on the machine under a lab's name. */
function tracesOf(prefix: string): string[] {
  const folders = [findCgroupRoot(), tmpdir(), BPFFS].filter((folder) => existsSync(folder));
  const names = [...listNamespaces(), ...folders.flatMap((folder) => readdirSync(folder))];
  return names.filter((name) => prefix !== '' && name.startsWith(prefix));
}

function conditionsOf(slice: object, pod: string): unknown[] {
  const { endpoints = [] } = slice as {
    endpoints?: { conditions: unknown; targetRef?: { name: string } }[];
  };
  return endpoints.filter((each) => each.targetRef?.name === pod).map((each) => each.conditions);
}

function webPod(name: string, node: string): string {
  return `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { app: web } }
spec:
  nodeName: ${node}
  containers:
    - name: web
      image: quote
      ports: [{ name: http, containerPort: 8080 }]
      readinessProbe: { httpGet: { port: http, path: /healthz/ready }, periodSeconds: 1 }
`;
}

function clientPod(name: string, node: string): string {
  return `
apiVersion: v1
kind: Pod
metadata: { name: ${name} }
spec:
  nodeName: ${node}
  containers: [{ name: client, image: client }]
`;
}
