// SPDX-License-Identifier: Apache-2.0
// An agent with the command line and the ConfigMap of the manifests: its probes are answered, Prometheus is let in, and
// every query of the shipped dashboard and alerts finds the metrics and labels that it asks for.

import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { ALERTS } from '../../scripts/deploy/alerts.ts';
import { ROWS } from '../../scripts/deploy/dashboard-panels.ts';
import { kustomized } from '../helpers/deploy-tree.ts';
import { missingIn, parseExposition, type Series, selectorsOf } from '../helpers/promql.ts';
import { until } from '../lab/until.ts';
import { bothProtocols, kubeService } from './kube-service.ts';
import { type NodeApiServer, serveApi } from './node-api-server.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { startBackends } from './start-backends.ts';

/** Where the agent is, as a Node; not 127.0.0.1, which is where Prometheus and load balancers do not come. */
const ADDRESS = '10.244.255.1';
const NODE_NAME = 'node-1';
const API = 'http://127.0.0.1:6443';

interface Container {
  readonly args: readonly string[];
  readonly ports: readonly { readonly containerPort: number }[];
  readonly livenessProbe: { readonly httpGet: { readonly path: string; readonly port: number } };
  readonly readinessProbe: { readonly httpGet: { readonly path: string; readonly port: number } };
}

/** What Prometheus itself says of whatever it scrapes. */
const OF_PROMETHEUS = ['job', 'instance'];
/** Series that are there once something goes wrong, as with kube-proxy: what must be there is the label. */
const WHEN_WRONG = /^code$/;

/** One series for each kind of connection that is open, and none is; test/unit/telemetry has its labels. */
const WHEN_OPEN: Series = {
  metric: 'signalbox_flows',
  labels: { protocol: 'tcp', state: 'established' },
  value: 0,
};

let api: NodeApiServer | undefined;

const node = nodeForFile(test, async (made) => {
  await startBackends(made);
  api = await serveApi(made);
  api.store.create({ apiVersion: 'v1', kind: 'Node', metadata: { name: NODE_NAME } });
  const objects = kubeService('web', ['10.96.0.1'], bothProtocols(80, ['10.244.1.1']));
  for (const object of objects) api.store.create(object);
  const folder = path.join(made.directory, 'config');
  made.agent.flags = agentArguments(folder);
  writeConfig(folder);
  await made.agent.start([]);
});

test.after.always(() => api?.close());

function agentContainer(): Container {
  const daemonSet = kustomized('other').find(({ kind }) => kind === 'DaemonSet') as unknown as {
    spec: { template: { spec: { containers: readonly [Container] } } };
  };
  return daemonSet.spec.template.spec.containers[0];
}

/** As the kubelet makes them; the folder of the ConfigMap and /proc lie elsewhere here. */
function agentArguments(folder: string): readonly string[] {
  const [, ...args] = agentContainer().args;
  return args.map((argument) =>
    argument.replace('$(NODE_NAME)', NODE_NAME).replace('/var/lib/kube-proxy', folder),
  );
}

function writeConfig(folder: string): void {
  const { data } = kustomized('other').find(({ kind }) => kind === 'ConfigMap') as unknown as {
    data: Record<string, string>;
  };
  mkdirSync(folder);
  for (const [file, text] of Object.entries(data)) {
    const here = text
      .replaceAll('/var/lib/kube-proxy', folder)
      .replace('https://set-the-real-address.invalid:6443', API)
      // The lab's API server knows nobody, and no pod has been given an account.
      .replaceAll(/^ *(?:tokenFile|certificate-authority):.*\n/gm, '')
      .replace('user:\n', 'user: {}\n');
    writeFileSync(path.join(folder, file), here);
  }
}

async function get(port: number, url: string) {
  const script = `
    const response = await fetch('http://${ADDRESS}:${port}${url}');
    process.stdout.write(JSON.stringify([response.status, await response.text()]));`;
  const { stdout, stderr } = await node().run([process.execPath, '-e', script]);
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as [status: number, body: string];
}

async function scrape(): Promise<Series[]> {
  const [{ containerPort } = { containerPort: 0 }] = agentContainer().ports;
  const [, body] = await get(containerPort, '/metrics');
  const announced = body.includes(`# TYPE ${WHEN_OPEN.metric} gauge`) ? [WHEN_OPEN] : [];
  return [...parseExposition(body), ...announced, { metric: 'up', labels: {}, value: 1 }];
}

test.serial('its probes are answered, and so are load balancers', async (t) => {
  if (!canMakeNodes(t)) return;
  const { livenessProbe, readinessProbe } = agentContainer();
  for (const { httpGet } of [livenessProbe, readinessProbe]) {
    const [status, body] = await get(httpGet.port, httpGet.path);
    t.is(status, 200, `${httpGet.path}: ${body}`);
  }
  t.is((await get(10_256, '/healthz'))[0], 200);
});

test.serial(
  'every query of the dashboard and of the alerts finds its metrics and labels',
  async (t) => {
    if (!canMakeNodes(t)) return;
    const queries = [
      ...ROWS.flatMap(({ panels }) =>
        panels.flatMap((panel) => panel.queries.map(([query]) => query)),
      ),
      ...ALERTS.map(({ query }) => query),
    ];
    const missing = (series: readonly Series[]) =>
      queries.flatMap((query) =>
        selectorsOf(query, { instance: '.+' }).flatMap((selector) => {
          const matchers = selector.matchers.map((matcher) =>
            WHEN_WRONG.test(matcher.label)
              ? { ...matcher, operator: '=~' as const, value: '.+' }
              : matcher,
          );
          const what = missingIn({ ...selector, matchers }, series, OF_PROMETHEUS);
          return what === undefined ? [] : [`${query}: ${what}`];
        }),
      );
    // What counts has a first time: a change that was timed, a sweep, an answer.
    const [slice] = api?.store.list('EndpointSlice') ?? [];
    if (slice) {
      api?.store.update({
        ...slice,
        metadata: {
          ...slice.metadata,
          annotations: {
            'endpoints.kubernetes.io/last-change-trigger-time': new Date().toISOString(),
          },
        },
      });
    }
    await until('all of them', async () => missing(await scrape()).length === 0).catch(() => {});
    t.deepEqual(missing(await scrape()), []);
    t.true(queries.length > 30);
  },
);
