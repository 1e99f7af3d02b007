// SPDX-License-Identifier: Apache-2.0
// The life of the lab's pods and of what is not a pod: how a pod ends, who connects from the host and from
// outside, what a node's zone does. Without agents: they have tests of their own.

import { readFileSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import { requireRoot } from '../helpers/requirements.ts';
import type { Endpoint } from '../lab/endpoint.ts';
import { Lab, type LabOptions } from '../lab/lab.ts';
import { isReady } from '../lab/pod-object.ts';
import { until } from '../lab/until.ts';

const PORT = 8080;
const DEADLINE_MS = 30_000;

const SERVICE = `
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, trafficDistribution: PreferSameZone, ports: [{ port: 80, targetPort: http }] }
`;

test.serial('a deleted pod serves until its time is up, and its endpoint says so', async (t) => {
  const manifests = [SERVICE, webPod('web-1', { seconds: 3600 })];
  await withLab(t, { manifests }, async (lab) => {
    const { ipv4: host } = lab.pod('web-1').addresses;
    const gone = lab.deletePod('web-1');
    const says = (ready: boolean, serving: boolean) =>
      until(
        `ready ${ready}, serving ${serving}`,
        () => {
          const [endpoint] = endpointsOf(lab);
          const { conditions } = endpoint ?? {};
          return (
            conditions?.terminating && conditions.ready === ready && conditions.serving === serving
          );
        },
        DEADLINE_MS,
      );
    await says(false, true);
    const { client } = lab.node(1);
    const { byPod } = await client.call('requests', { host, port: PORT, count: 20 });
    t.deepEqual(byPod, { 'web-1': 20 });
    await lab.request(`http://${host}:${PORT}/healthz/ready`, 'DELETE');
    await says(false, false);
    t.truthy((await client.call('connect', { host, port: PORT })).peer, 'it answers all the same');
    await lab.deletePod('web-1', 'default', 1);
    await gone;
    t.is(lab.store.get('Pod', 'default', 'web-1'), undefined);
    await until('no endpoint', () => endpointsOf(lab).length === 0, DEADLINE_MS);
    const { errno } = await client.call('connect', { host, port: PORT });
    // Its network namespace goes a little later than it does.
    t.true(errno === 'ECONNREFUSED' || errno === 'EHOSTUNREACH', errno);
  });
});

test.serial('who deletes a pod at once makes room for its successor', async (t) => {
  const manifest = webPod('web-1', { seconds: 3600 });
  await withLab(t, { manifests: [manifest] }, async (lab) => {
    const first = lab.pod('web-1');
    await lab.deletePod('web-1', 'default', 0);
    lab.applyManifests(manifest);
    await until('the successor is ready', () => isReadyNow(lab, 'web-1'), DEADLINE_MS);
    t.is(await first.ended, null, 'the first one was killed');
    t.not(lab.pod('web-1'), first);
  });
});

test.serial('a process that ends by itself is over, and is nobody’s endpoint', async (t) => {
  await withLab(t, { manifests: [SERVICE, webPod('web-1')] }, async (lab) => {
    await until('an endpoint', () => endpointsOf(lab).length === 1, DEADLINE_MS);
    const { cgroup } = lab.pod('web-1');
    process.kill(Number(readFileSync(`${cgroup}/cgroup.procs`, 'utf8')), 'SIGTERM');
    const status = () => lab.store.get('Pod', 'default', 'web-1')?.status;
    await until('over', () => (status() as { phase: string }).phase === 'Succeeded', DEADLINE_MS);
    await until('no endpoint', () => endpointsOf(lab).length === 0, DEADLINE_MS);
    await lab.deletePod('web-1');
    t.is(status(), undefined);
  });
});

test.serial(
  'a client on the host has the host’s network, one outside has none of it',
  async (t) => {
    const manifests = [webPod('on-host', { node: 2, isOnHost: true }), webPod('web-1')];
    await withLab(t, { outsiders: 1, manifests }, async (lab) => {
      const places = {
        host1: lab.node(1).client,
        host2: lab.node(2).client,
        outside: lab.outsider(1).client,
      };
      const outcomes = async (host: string) => {
        const answers: Record<string, string | undefined> = {};
        for (const [place, client] of Object.entries(places)) {
          const { peer, errno } = await client.call('connect', { host, port: PORT });
          answers[place] = errno ?? peer;
        }
        return answers;
      };
      t.deepEqual(await outcomes('127.0.0.1'), {
        host1: 'ECONNREFUSED',
        host2: `127.0.0.1:${PORT}`,
        outside: 'ECONNREFUSED',
      });
      for (const { ipv4, ipv6 } of [lab.node(2).addresses, lab.pod('web-1').addresses]) {
        t.deepEqual(new Set(Object.values(await outcomes(ipv4))), new Set([`${ipv4}:${PORT}`]));
        t.deepEqual(new Set(Object.values(await outcomes(ipv6))), new Set([`[${ipv6}]:${PORT}`]));
      }
      t.throws(() => lab.node(3), { message: /no node 3/ });
      t.throws(() => lab.outsider(2), { message: /no outsider 2/ });
    });
  },
);

test.serial('an address that no host has is taken to the node that has it now', async (t) => {
  const manifests = [1, 2].map((node) => webPod(`web-${node}`, { node, isOnHost: true }));
  await withLab(t, { outsiders: 1, manifests }, async (lab) => {
    const { client } = lab.outsider(1);
    for (const host of ['198.51.100.1', '2001:db8:3::1']) {
      for (const node of lab.nodes) {
        await node.run(['ip', 'addr', 'add', host, 'dev', 'lo']);
        await lab.route(host, node.index);
        const { byPod } = await client.call('requests', { host, port: PORT, count: 3 });
        t.deepEqual(byPod, { [node.name]: 3 });
      }
    }
    await t.throwsAsync(lab.route('nowhere', 1), { message: /not an address: nowhere/ });
  });
});

test.serial('a node’s zone is on its endpoints, also when it changes', async (t) => {
  const manifests = [SERVICE, webPod('web-1'), webPod('web-2', { node: 2 })];
  await withLab(t, { zones: ['east', undefined], manifests }, async (lab) => {
    const zones = () =>
      endpointsOf(lab)
        .map(({ nodeName, zone, hints }) => `${nodeName} ${zone} ${hints?.forZones?.[0]?.name}`)
        .toSorted()
        .join(', ');
    await until('one of two', () => zones() === 'node-1 east east, node-2 undefined undefined');
    lab.setZone(2, 'west');
    lab.setZone(1, undefined);
    await until('the other', () => zones() === 'node-1 undefined undefined, node-2 west west');
    t.pass();
  });
});

async function withLab(
  t: ExecutionContext,
  options: LabOptions,
  body: (lab: Lab) => Promise<void>,
): Promise<void> {
  if (!requireRoot(t)) return;
  const lab = await Lab.start({ ...options, agents: false });
  try {
    await lab.podsReady();
    await body(lab);
  } finally {
    await lab.close();
  }
}

function endpointsOf(lab: Lab): readonly Endpoint[] {
  return lab.store
    .list('EndpointSlice')
    .filter(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === 'web')
    .flatMap((slice) => slice.endpoints as readonly Endpoint[]);
}

function isReadyNow(lab: Lab, name: string): boolean {
  const pod = lab.store.get('Pod', 'default', name);
  return pod !== undefined && isReady(pod);
}

/** @param seconds that it goes on after SIGTERM; its grace period is as long. */
function webPod(name: string, { node = 1, seconds = 0, isOnHost = false } = {}): string {
  return `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { app: web } }
spec:
  nodeName: node-${node}
  hostNetwork: ${isOnHost}
  terminationGracePeriodSeconds: ${seconds || 30}
  containers:
    - name: web
      image: quote
      env: [{ name: DRAIN_SECONDS, value: "${seconds}" }]
      ports: [{ name: http, containerPort: ${PORT} }]
      readinessProbe: { httpGet: { port: http, path: /healthz/ready }, periodSeconds: 1 }
`;
}
