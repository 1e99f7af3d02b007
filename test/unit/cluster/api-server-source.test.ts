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
import { page, startScript, watch } from './scripted-server.ts';
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

/** Answers lists and watches of both kinds. */
function answer(response: ServerResponse, request: IncomingMessage) {
  const url = request.url ?? '';
  const items = url.startsWith('/api/v1/services?') ? [SERVICE] : [SLICE];
  const step = url.includes('watch=1') ? watch([], 'open') : page(items, { resourceVersion: '1' });
  return step(response, request);
}

test('Services and EndpointSlices from the server of a kubeconfig, until the signal', async (t) => {
  const server = await startScript(t, Array(4).fill(answer));
  const kubeconfig = join(temporaryFolder(t), 'config');
  writeFileSync(
    kubeconfig,
    `current-context: here
contexts: [{ name: here, context: { cluster: c, user: u } }]
clusters: [{ name: c, cluster: { server: '${server.url}' } }]
users: [{ name: u, user: { token: abc } }]
`,
  );
  const source = createApiServerSource({ kubeconfig, log: recordLog().log });
  t.is(source.description, `API server ${server.url}`);
  t.deepEqual(
    source.watches.map(({ kind, phase }) => [kind, phase]),
    [
      ['Service', 'listing'],
      ['EndpointSlice', 'listing'],
    ],
  );
  t.is(server.requests.length, 0);
  const state = new ClusterState();
  const controller = new AbortController();
  t.teardown(() => controller.abort());
  source.start(state, controller.signal);
  await eventually(t, 'both lists', () => state.synced);
  t.truthy(state.service('kiada/quiz'));
  t.is(state.endpointSlices('kiada/quiz')[0]?.endpoints[0]?.address, '10.244.0.5' as never);
  await eventually(t, 'both watches', () => server.requests.length === 4);
  t.true(server.requests.every(({ headers }) => headers.authorization === 'Bearer abc'));
  controller.abort();
  await eventually(t, 'no connection is left', () => server.connections.size === 0);
});

test('--master takes the place of the server in the kubeconfig, and may stand alone', async (t) => {
  const server = await startScript(t, Array(4).fill(answer));
  const source = createApiServerSource({ master: server.url.href, log: recordLog().log });
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
  const both = createApiServerSource({ kubeconfig, master: 'https://192.0.2.2:6443', log });
  t.is(both.description, 'API server https://192.0.2.2:6443/');
});

test('--master that is no URL is an error', (t) => {
  const { log } = recordLog();
  t.throws(() => createApiServerSource({ master: '192.0.2.2:6443', log }), {
    instanceOf: EnvironmentError,
    message: '--master: "192.0.2.2:6443" is not the URL of an API server',
  });
});

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
