// SPDX-License-Identifier: Apache-2.0
// The metrics server by itself: which paths there are, what is refused, and an address that cannot be had.

import net from 'node:net';
import test, { type ExecutionContext } from 'ava';
import {
  MetricsServer,
  type MetricsServerOptions,
} from '../../../agent/telemetry/metrics-server.ts';
import { httpGet } from '../../lab/apps/http-get.ts';
import { until } from '../../lab/until.ts';
import { recordLog } from '../cluster/recorded-log.ts';

function serve(t: ExecutionContext, more: Partial<MetricsServerOptions> = {}) {
  const { log, lines } = recordLog();
  const server = new MetricsServer({
    bind: { host: '127.0.0.1', port: 0 },
    metrics: { text: async () => 'a 1\n', contentType: 'text/plain; version=0.0.4' },
    configuration: () => ({
      kind: 'KubeProxyConfiguration',
      iptables: { masqueradeBit: 14 },
      x: [],
    }),
    version: '1.2.3',
    log,
    ...more,
  });
  t.teardown(() => server.close());
  server.start();
  const ask = async (path: string, method = 'GET') => {
    const { port } = await until('it listens', () => server.address);
    return httpGet({ url: `http://127.0.0.1:${port}${path}`, method });
  };
  return { server, ask, lines };
}

test('what each path answers', async (t) => {
  const { ask } = serve(t);
  const { status, headers, body } = await ask('/metrics?debug=1');
  t.deepEqual([status, headers['content-type'], body], [200, 'text/plain; version=0.0.4', 'a 1\n']);
  t.is((await ask('/healthz')).body, 'ok');
  t.is((await ask('/proxyMode')).body, 'signalbox');
  t.deepEqual(JSON.parse((await ask('/configz')).body), {
    'kubeproxy.config.k8s.io': {
      kind: 'KubeProxyConfiguration',
      iptables: { masqueradeBit: 14 },
      x: [],
    },
  });
  t.true(
    (await ask('/flagz')).body.includes(
      '\nkind: KubeProxyConfiguration\niptables.masqueradeBit: 14\nx: []\n',
    ),
  );
  t.regex((await ask('/statusz')).body, /^Version: 1\.2\.3$/m);
  t.regex(
    (await ask('/metrics/slis')).body,
    /^kubernetes_healthcheck\{name="ping",type="healthz"\} 1$/m,
  );
});

test('other paths and methods are refused', async (t) => {
  const { ask } = serve(t);
  for (const path of ['/', '/metric', '/metrics/', '/debug/pprof/', '//metrics'])
    t.is((await ask(path)).status, 404, path);
  for (const method of ['POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS']) {
    const { status, headers } = await ask('/metrics', method);
    t.is(status, 405, method);
    t.is(headers.allow, 'GET', method);
  }
});

test('what cannot be gathered is an answer, too', async (t) => {
  const { ask } = serve(t, {
    metrics: {
      text: async () => {
        throw new Error('no such table');
      },
      contentType: '',
    },
  });
  const { status, body } = await ask('/metrics');
  t.deepEqual([status, body], [500, 'no such table\n']);
});

test('an address that is taken is tried again, and told each time', async (t) => {
  const other = net.createServer();
  t.teardown(() => other.close());
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as net.AddressInfo;
  const failures: string[] = [];
  const { ask, lines } = serve(t, {
    bind: { host: '127.0.0.1', port },
    onFailure: ({ message }) => failures.push(message),
    retryMs: 5,
  });
  await until('it has tried twice', () => failures.length >= 2);
  t.regex(`${failures[0]}`, /EADDRINUSE/);
  t.true(lines.some(({ msg }) => msg === 'cannot serve metrics'));
  other.close();
  t.is((await ask('/healthz')).body, 'ok');
});
