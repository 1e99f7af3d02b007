// SPDX-License-Identifier: Apache-2.0
// A running agent's metrics, as Prometheus gets them: every query of the kubernetes-mixin's dashboard for kube-proxy and
// its alert finds what it asks for, and our own say what happened on the node.

import { once } from 'node:events';
import test, { type ExecutionContext } from 'ava';
import { missingIn, parseExposition, type Series, selectorsOf } from '../helpers/promql.ts';
import { until } from '../lab/until.ts';
import { bothProtocols, kubeService } from './kube-service.ts';
import { type NodeApiServer, serveApi } from './node-api-server.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { SocketProbe } from './socket-probe.ts';
import { startBackends } from './start-backends.ts';

const SERVER = 'http://127.0.0.1:10249';
const HEALTH = 'http://127.0.0.1:10256';
const WEB = ['10.96.0.1', 'fd00:10:96::1'];
const EMPTY = '10.96.0.2';
const BACKEND = ['10.244.1.1', 'fd00:10:244:1::1'];

let api: NodeApiServer | undefined;

const node = nodeForFile(test, async (made) => {
  await startBackends(made);
  api = await serveApi(made);
  for (const object of [
    ...kubeService('web', WEB, bothProtocols(80, BACKEND)),
    ...kubeService('empty', [EMPTY], bothProtocols(80, [])),
  ]) {
    api.store.create(object);
  }
  made.agent.flags = [
    '--metrics-bind-address',
    new URL(SERVER).host,
    '--healthz-bind-address',
    new URL(HEALTH).host,
  ];
  await made.agent.start(api.flags);
});

test.after.always(() => api?.close());

/** Asks from inside the node's network. */
async function get(url: string, method = 'GET') {
  const script = `
    const response = await fetch(${JSON.stringify(url)}, { method: '${method}' });
    const { status, headers } = response;
    const type = headers.get('content-type');
    process.stdout.write(JSON.stringify({ status, type, body: await response.text() }));`;
  const { stdout, stderr } = await node().run([process.execPath, '-e', script]);
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as { status: number; type: string; body: string };
}

async function scrape(): Promise<Series[]> {
  return parseExposition((await get(`${SERVER}/metrics`)).body);
}

function total(series: readonly Series[], metric: string, labels: Series['labels'] = {}): number {
  return series
    .filter((one) => one.metric === metric)
    .filter((one) => Object.entries(labels).every(([name, value]) => one.labels[name] === value))
    .reduce((sum, { value }) => sum + value, 0);
}

/** Other backends for `web`, for a reason that the controller has the time of. */
async function change(t: ExecutionContext, triggeredAt: string): Promise<void> {
  const store = api?.store;
  if (!store) return t.fail('there is no API server');
  const [slice] = store
    .list('EndpointSlice')
    .filter(({ metadata }) => metadata.name.startsWith('web'));
  if (!slice) return t.fail('there is no EndpointSlice');
  const endpoints = slice.endpoints as { conditions?: object }[];
  store.update({
    ...slice,
    metadata: {
      ...slice.metadata,
      annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': triggeredAt },
    },
    endpoints: endpoints.map((endpoint) => ({ ...endpoint, zone: triggeredAt })),
  });
}

/** Panels and their queries, in the words of the dashboard `Kubernetes / Proxy`. */
const JOB = 'cluster="$cluster", job="kube-proxy", instance=~"$instance"';
const MIXIN: readonly (readonly [panel: string, query: string])[] = [
  ['Up', 'sum(up{cluster="$cluster", job="kube-proxy"})'],
  [
    'Rules Sync Rate',
    `sum(rate(kubeproxy_sync_proxy_rules_duration_seconds_count{${JOB}}[$__rate_interval]))`,
  ],
  [
    'Rules Sync Latency',
    `histogram_quantile(0.99, rate(kubeproxy_sync_proxy_rules_duration_seconds_bucket{${JOB}}[$__rate_interval]))`,
  ],
  [
    'Network Programming Rate',
    `sum(rate(kubeproxy_network_programming_duration_seconds_count{${JOB}}[$__rate_interval]))`,
  ],
  [
    'Network Programming Latency',
    `histogram_quantile(0.99, sum(rate(kubeproxy_network_programming_duration_seconds_bucket{${JOB}}[$__rate_interval])) by (instance, le))`,
  ],
  [
    'Kube API Request Rate',
    `sum(rate(rest_client_requests_total{${JOB}, code=~"2.."}[$__rate_interval]))`,
  ],
  ...['GET', 'POST'].map(
    (verb) =>
      [
        `${verb} Request Latency`,
        `histogram_quantile(0.99, sum(rate(rest_client_request_duration_seconds_bucket{${JOB}, verb="${verb}"}[$__rate_interval])) by (verb, le))`,
      ] as const,
  ),
  ['Memory', `process_resident_memory_bytes{${JOB}}`],
  ['CPU', `rate(process_cpu_seconds_total{${JOB}}[$__rate_interval])`],
  ['Goroutines', `go_goroutines{${JOB}}`],
  ['the drop-down of instances', `kubeproxy_network_programming_duration_seconds_bucket{${JOB}}`],
  ['alert KubeProxyDown', 'absent(up{job="kube-proxy"})'],
  ['alert KubeProxyUnreachable', 'up{job="kube-proxy"} == 0'],
];

/** What Prometheus itself says of whatever it scrapes. */
const OF_PROMETHEUS = ['cluster', 'job', 'instance'];

test.serial('every query of the mixin finds its series', async (t) => {
  if (!canMakeNodes(t)) return;
  await change(t, new Date().toISOString());
  await until('the change is programmed', async () => {
    return total(await scrape(), 'kubeproxy_network_programming_duration_seconds_count') > 0;
  });
  const series = [...(await scrape()), { metric: 'up', labels: {}, value: 1 }];
  const missing = MIXIN.flatMap(([panel, query]) =>
    selectorsOf(query, { instance: '.+' }).flatMap((selector) => {
      const what = missingIn(selector, series, OF_PROMETHEUS);
      return what === undefined ? [] : [`${panel}: ${what}`];
    }),
  );
  t.deepEqual(missing, []);
  // Those beyond 2xx have series as soon as there is such an answer, as with kube-proxy.
  const codes = series.filter(({ metric }) => metric === 'rest_client_requests_total');
  t.true(codes.every(({ labels }) => /^(\d{3}|<error>)$/.test(labels.code ?? '')));
});

test.serial('what each family went through is told by family', async (t) => {
  if (!canMakeNodes(t)) return;
  const before = await scrape();
  const family = (store: NodeApiServer['store']) =>
    store.list('EndpointSlice').find(({ metadata }) => metadata.name.startsWith('web'))
      ?.addressType;
  const changed = api && family(api.store);
  const startedMs = total(before, 'process_start_time_seconds') * 1000;
  const sinceMs = (Date.now() - startedMs) / 2;
  await change(t, new Date(Date.now() - sinceMs).toISOString());
  const name = 'kubeproxy_network_programming_duration_seconds';
  const counted = (series: readonly Series[], ip_family: string, suffix: string) =>
    total(series, `${name}_${suffix}`, { ip_family });
  const after = await until('the change is programmed', async () => {
    const series = await scrape();
    return total(series, `${name}_count`) > total(before, `${name}_count`) && series;
  });
  for (const ip_family of ['IPv4', 'IPv6']) {
    const more = counted(after, ip_family, 'count') - counted(before, ip_family, 'count');
    t.is(more, ip_family === changed ? 1 : 0, ip_family);
  }
  const seconds = counted(after, `${changed}`, 'sum') - counted(before, `${changed}`, 'sum');
  t.true(seconds >= sinceMs / 1000, `${seconds}`);
  for (const kind of ['endpoint', 'service']) {
    const metric = `kubeproxy_sync_proxy_rules_${kind}_changes`;
    t.true(total(after, `${metric}_total`) > 0, kind);
    t.is(total(after, `${metric}_pending`), 0, kind);
  }
  const [queued, ended] = ['last_queued', 'last'].map((what) =>
    total(after, `kubeproxy_sync_proxy_rules_${what}_timestamp_seconds`, { ip_family: 'IPv4' }),
  );
  t.true(Number(queued) > Date.now() / 1000 - 3600);
  t.true(Number(ended) >= Number(queued));
});

test.serial('what was caused before the agent was there is not timed', async (t) => {
  if (!canMakeNodes(t)) return;
  const name = 'kubeproxy_network_programming_duration_seconds_count';
  const changes = 'kubeproxy_sync_proxy_rules_endpoint_changes_total';
  const before = await scrape();
  await change(t, '2001-01-01T00:00:00Z');
  const after = await until('the change is counted', async () => {
    const series = await scrape();
    return total(series, changes) > total(before, changes) && series;
  });
  t.is(total(after, name), total(before, name));
});

test.serial('connections and refusals of each service port', async (t) => {
  if (!canMakeNodes(t)) return;
  const probe = await SocketProbe.start(node());
  for (const host of [...WEB, EMPTY]) {
    const socket = await probe.open('tcp', host.includes(':') ? 6 : 4);
    t.is(await socket.connect(host, 80), host === EMPTY ? 'ECONNREFUSED' : '');
    await socket.close();
  }
  const series = (await scrape()).filter(({ metric, value }) => {
    return /^signalbox_service_(connections|refusals)_total$/.test(metric) && value > 0;
  });
  const path = 'socket';
  const labels = { namespace: 'default', port: 'tcp-80', protocol: 'TCP', path };
  t.deepEqual(series, [
    {
      metric: 'signalbox_service_connections_total',
      labels: { ...labels, service: 'web' },
      value: 2,
    },
    {
      metric: 'signalbox_service_refusals_total',
      labels: { ...labels, service: 'empty' },
      value: 1,
    },
  ]);
});

test.serial('answers of the health server are counted', async (t) => {
  if (!canMakeNodes(t)) return;
  const count = async (path: string, code: string) =>
    total(await scrape(), `kubeproxy_proxy_${path}_total`, { code });
  // There is no Node object: nobody is to be sent here.
  for (const [path, code] of [
    ['healthz', '503'],
    ['livez', '200'],
  ] as const) {
    const before = await count(path, code);
    t.is((await get(`${HEALTH}/${path}`)).status, Number(code));
    t.is(await count(path, code), before + 1);
  }
});

test.serial('the other pages, as kube-proxy has them', async (t) => {
  if (!canMakeNodes(t)) return;
  const text = 'text/plain; charset=utf-8';
  t.deepEqual(await get(`${SERVER}/healthz`), { status: 200, type: text, body: 'ok' });
  t.deepEqual(await get(`${SERVER}/proxyMode`), { status: 200, type: text, body: 'signalbox' });
  const { type, body } = await get(`${SERVER}/configz`);
  t.is(type, 'application/json');
  const { 'kubeproxy.config.k8s.io': configuration } = JSON.parse(body);
  t.like(configuration, {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    metricsBindAddress: new URL(SERVER).host,
  });
  const slis = parseExposition((await get(`${SERVER}/metrics/slis`)).body);
  t.is(total(slis, 'kubernetes_healthcheck', { name: 'ping', type: 'healthz' }), 1);
  t.regex((await get(`${SERVER}/flagz`)).body, /^metricsBindAddress: 127\.0\.0\.1:10249$/m);
  t.regex((await get(`${SERVER}/statusz`)).body, /^Paths: \/metrics /m);
  t.is((await get(`${SERVER}/`)).status, 404);
  t.is((await get(`${SERVER}/metrics`, 'POST')).status, 405);
});

test.serial(
  'no metric stands where an alert on versions of Kubernetes would see ours',
  async (t) => {
    if (!canMakeNodes(t)) return;
    const series = await scrape();
    t.false(series.some(({ metric }) => metric === 'kubernetes_build_info'));
    t.is(total(series, 'signalbox_build_info'), 1);
  },
);

test.serial(
  'with --bind-address-hard-fail a taken address is the end, and says which',
  async (t) => {
    if (!canMakeNodes(t) || !api) return;
    const { agent } = node();
    await agent.end('SIGTERM');
    const { hostname, port } = new URL(SERVER);
    const script = `require('node:net').createServer().listen(${port}, '${hostname}', () => console.log('taken'))`;
    const other = node().spawn([process.execPath, '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.teardown(() => other.kill());
    await once(other.stdout as NodeJS.ReadableStream, 'data');
    const { code, stderr } = await node().run([
      ...agent.argv(api.flags),
      '--bind-address-hard-fail',
    ]);
    t.is(code, 1);
    t.true(
      stderr.startsWith(`signalbox: cannot serve metrics on ${hostname}, port ${port}: `),
      stderr,
    );
    t.regex(stderr, /EADDRINUSE/);
  },
);
