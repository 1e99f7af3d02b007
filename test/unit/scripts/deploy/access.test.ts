// SPDX-License-Identifier: Apache-2.0
// What the agent may do at the API server: nothing that kube-proxy may not, and all that it asks for.

import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import { createApiServerSource } from '../../../../agent/cluster/api-server-source.ts';
import { ClusterState } from '../../../../agent/model/cluster-state.ts';
import { createLogger } from '../../../../agent/telemetry/log.ts';
import { kustomized } from '../../../helpers/deploy-tree.ts';
import { until } from '../../../lab/until.ts';

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

/** The ClusterRole system:node-proxier of Kubernetes 1.36, as every cluster has it. */
const NODE_PROXIER: readonly Rule[] = [
  { apiGroups: [''], resources: ['services'], verbs: ['list', 'watch'] },
  { apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list', 'watch'] },
  { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
  { apiGroups: ['networking.k8s.io'], resources: ['servicecidrs'], verbs: ['list', 'watch'] },
  { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['create', 'patch', 'update'] },
];

const allowed = permissions(NODE_PROXIER);
const granted = permissions(rulesOf('ClusterRole'));

/** One string a verb: `discovery.k8s.io/endpointslices list`. */
function permissions(rules: readonly Rule[]): readonly string[] {
  return rules.flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) => verbs.map((verb) => `${group}/${resource} ${verb}`)),
    ),
  );
}

function rulesOf(kind: string): readonly Rule[] {
  const role = kustomized('base').find((object) => object.kind === kind);
  return (role as unknown as { rules: readonly Rule[] }).rules;
}

test('no verb more than system:node-proxier has', (t) => {
  t.deepEqual(
    granted.filter((permission) => !allowed.includes(permission)),
    [],
  );
  t.false(rulesOf('ClusterRole').some((rule) => Object.keys(rule).length > 3));
});

test('the role is bound to the account that the pods have, and to nobody else', (t) => {
  const objects = kustomized('base');
  const found = (kind: string) => objects.filter((object) => object.kind === kind);
  const [binding] = found('ClusterRoleBinding');
  const [account] = found('ServiceAccount');
  const [role] = found('ClusterRole');
  const [daemonSet] = found('DaemonSet');
  t.like(binding, {
    roleRef: { kind: 'ClusterRole', name: role?.metadata.name },
    subjects: [
      {
        kind: 'ServiceAccount',
        name: account?.metadata.name,
        namespace: account?.metadata.namespace,
      },
    ],
  });
  t.is(found('ClusterRoleBinding').length, 1);
  t.like(daemonSet, {
    spec: { template: { spec: { serviceAccountName: account?.metadata.name } } },
  });
});

test('what the agent asks for is granted', async (t) => {
  const asked = new Set<string>();
  const server = http.createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://api');
    const [, group = '', resource] =
      /^\/(?:api|apis\/([^/]+))\/[^/]+\/([^/]+)$/.exec(pathname) ?? [];
    const isWatch = searchParams.get('watch') !== null;
    asked.add(`${group}/${resource ?? pathname} ${isWatch ? 'watch' : 'list'}`);
    response.writeHead(200, { 'Content-Type': 'application/json' });
    if (isWatch) response.flushHeaders();
    else response.end(JSON.stringify({ metadata: { resourceVersion: '1' }, items: [] }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const stop = new AbortController();
  t.teardown(() => {
    stop.abort();
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  const source = createApiServerSource({
    master: `http://127.0.0.1:${port}`,
    nodeName: 'node-1',
    log: createLogger('error'),
  });
  source.start(new ClusterState(() => {}), stop.signal);
  await until('all watches', () => [...asked].filter((verb) => / watch$/.test(verb)).length === 4);
  t.deepEqual(
    [...asked].filter((permission) => !granted.includes(permission)),
    [],
  );
  // And the other way round: what nobody asks for is not granted. Events are written when there is something to tell.
  t.deepEqual(
    granted.filter((permission) => !asked.has(permission) && !/\/events /.test(permission)),
    [],
  );
});
