// SPDX-License-Identifier: Apache-2.0
// The whole way from a kubeconfig, a service account or --master to objects in the ClusterState.

import { writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import test from 'ava';
import { createApiServerSource } from '../../../agent/cluster/api-server-source.ts';
import { loadInCluster } from '../../../agent/cluster/in-cluster.ts';
import { EnvironmentError } from '../../../agent/errors.ts';
import { ClusterState } from '../../../agent/model/cluster-state.ts';
import { eventually } from './eventually.ts';
import { recordLog } from './recorded-log.ts';
import { page, refusal, startScript, watch } from './scripted-server.ts';
import { temporaryFolder } from './temporary-folder.ts';

const SERVICE = {
  metadata: { name: 'quiz', namespace: 'kiada' },
  spec: { clusterIP: '10.96.0.1', ports: [{ port: 80 }] },
};
const SLICE = {
  metadata: {
    name: 'quiz-1',
    namespace: 'kiada',
    labels: { 'kubernetes.io/service-name': 'quiz' },
  },
  addressType: 'IPv4',
  ports: [{ name: '', port: 8080 }],
  endpoints: [{ addresses: ['10.244.0.5'] }],
};

const NODE = {
  metadata: { name: 'node-1', labels: { 'topology.kubernetes.io/zone': 'zone-a' } },
};

/** Answers lists and watches of every kind but ServiceCIDR, which old clusters do not have. */
function answer(response: ServerResponse, request: IncomingMessage) {
  const url = request.url ?? '';
  if (url.includes('/servicecidrs?')) return refusal(404, 'not found')(response, request);
  const items = url.includes('/services?') ? [SERVICE] : url.includes('/nodes?') ? [NODE] : [SLICE];
  const step = url.includes('watch=1') ? watch([], 'open') : page(items, { resourceVersion: '1' });
  return step(response, request);
}

test('every kind from the server of a kubeconfig, until the signal', async (t) => {
  const server = await startScript(t, Array(7).fill(answer));
  const kubeconfig = join(temporaryFolder(t), 'config');
  writeFileSync(
    kubeconfig,
    `current-context: here
contexts: [{ name: here, context: { cluster: c, user: u } }]
clusters: [{ name: c, cluster: { server: '${server.url}' } }]
users: [{ name: u, user: { token: abc } }]
`,
  );
  const source = createApiServerSource({
    kubeconfig,
    nodeName: 'node-1',
    log: recordLog().log,
  });
  t.is(source.description, `API server ${server.url}`);
  t.deepEqual(
    source.watches.map(({ kind, phase }) => [kind, phase]),
    [
      ['Service', 'listing'],
      ['EndpointSlice', 'listing'],
      ['Node', 'listing'],
      ['ServiceCIDR', 'listing'],
    ],
  );
  t.is(server.requests.length, 0);
  const state = new ClusterState();
  const controller = new AbortController();
  t.teardown(() => controller.abort());
  source.start(state, controller.signal);
  await eventually(t, 'every list, or refusal', () => state.settled);
  t.truthy(state.service('kiada/quiz'));
  t.is(state.node?.zone, 'zone-a');
  t.is(state.endpointSlices('kiada/quiz')[0]?.endpoints[0]?.address, '10.244.0.5' as never);
  await eventually(t, 'three watches', () => server.requests.length === 7);
  t.like(source.watches[3], { kind: 'ServiceCIDR', phase: 'unavailable' });
  t.true(server.requests.every(({ headers }) => headers.authorization === 'Bearer abc'));
  controller.abort();
  await eventually(t, 'no connection is left', () => server.connections.size === 0);
});

test('--master takes the place of the server in the kubeconfig, and may stand alone', async (t) => {
  const server = await startScript(t, Array(7).fill(answer));
  const source = createApiServerSource({
    master: server.url.href,
    nodeName: 'node-1',
    log: recordLog().log,
  });
  const state = new ClusterState();
  const controller = new AbortController();
  t.teardown(() => controller.abort());
  source.start(state, controller.signal);
  await eventually(t, 'both lists', () => state.synced);
  const kubeconfig = join(temporaryFolder(t), 'config');
  writeFileSync(
    kubeconfig,
    `current-context: here
contexts: [{ name: here, context: { cluster: c } }]
clusters: [{ name: c, cluster: { server: 'https://192.0.2.1' } }]
`,
  );
  const { log } = recordLog();
  const both = createApiServerSource({
    kubeconfig,
    master: 'https://192.0.2.2:6443',
    nodeName: 'node-1',
    log,
  });
  t.is(both.description, 'API server https://192.0.2.2:6443/');
});

test('--master that is no URL is an error', (t) => {
  const { log } = recordLog();
  t.throws(() => createApiServerSource({ master: '192.0.2.2:6443', nodeName: 'node-1', log }), {
    instanceOf: EnvironmentError,
    message: '--master: "192.0.2.2:6443" is not the URL of an API server',
  });
});

test('a name and a password in the URL are sent, and never shown', async (t) => {
  const server = await startScript(t, Array(7).fill(answer));
  const url = new URL(server.url);
  url.username = 'admin';
  url.password = 'hunter2%zz:é';
  const source = createApiServerSource({
    master: `${url.href}?token=hunter2#hunter2`,
    nodeName: 'node-1',
    log: recordLog().log,
  });
  t.is(source.description, `API server ${server.url}`);
  t.is(source.client.server, server.url.href);
  const state = new ClusterState();
  const controller = new AbortController();
  t.teardown(() => controller.abort());
  source.start(state, controller.signal);
  await eventually(t, 'lists', () => state.synced);
  const [, pair = ''] = server.requests[0]?.headers.authorization?.split(' ') ?? [];
  t.is(Buffer.from(pair, 'base64').toString(), 'admin:hunter2%zz:é');
});

for (const master of ['htp://admin:hunter2@h', 'https://admin:hunter2@h:x', 'admin:hunt@er2@h']) {
  test(`what is no URL is quoted without a password: ${master}`, (t) => {
    const { log } = recordLog();
    const error = t.throws(() => createApiServerSource({ master, nodeName: 'node-1', log }), {
      instanceOf: EnvironmentError,
    });
    t.regex(error?.message ?? '', /\.\.\.@h/);
    t.notRegex(error?.message ?? '', /hunt|er2/);
  });
}

test('in a pod: the service account, its token read again when it has rotated', async (t) => {
  const dir = temporaryFolder(t);
  writeFileSync(join(dir, 'token'), 'first');
  writeFileSync(join(dir, 'ca.crt'), 'the CA');
  const environment = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' };
  const access = loadInCluster(environment, dir);
  t.is(access.server.href, 'https://[fd00::1]/');
  const { headers, tls } = await access.credentials();
  t.is(headers.Authorization, 'Bearer first');
  t.is(String(tls.ca), 'the CA');
  writeFileSync(join(dir, 'token'), 'second');
  t.is((await access.credentials()).headers.Authorization, 'Bearer second');
});

test('outside a pod, the error says what to do', (t) => {
  const error = t.throws(() => loadInCluster({}), { instanceOf: EnvironmentError });
  t.regex(error?.hint ?? '', /--kubeconfig FILE or --manifests DIR/);
});

test('a pod without a service account is an error', (t) => {
  const environment = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443' };
  t.throws(() => loadInCluster(environment, temporaryFolder(t)), {
    instanceOf: EnvironmentError,
    message: /ENOENT.*token/,
  });
});
