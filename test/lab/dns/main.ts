#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// The cluster DNS process of the lab's kube-dns pods: watches the API server, answers DNS over UDP and
// TCP, and says /ready over HTTP (an answer of 200) once it has seen the whole cluster.

import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { createLogger } from '../../../agent/telemetry/log.ts';
import { ClusterRecords } from './cluster-records.ts';
import { DnsServer } from './dns-server.ts';
import { watchRecords } from './watch-records.ts';

const { values } = parseArgs({
  options: {
    kubeconfig: { type: 'string' },
    'listen-address': { type: 'string', default: '::' },
    'listen-port': { type: 'string', default: '53' },
    'ready-port': { type: 'string', default: '8181' },
    'cluster-domain': { type: 'string', default: 'cluster.local' },
  },
});
if (!values.kubeconfig) throw new Error('--kubeconfig FILE is needed');

const host = values['listen-address'];
const log = createLogger('info');
const records = new ClusterRecords(values['cluster-domain']);
const stop = new AbortController();
let isReady = false;

const dns = await DnsServer.start({ view: records, host, port: Number(values['listen-port']) });
const ready = createServer((request, response) => {
  const isAsked = request.url === '/ready' || request.url === '/health';
  response.statusCode = !isAsked ? 404 : isReady ? 200 : 503;
  response.end(`${isReady ? 'OK' : 'not ready'}\n`);
});
await new Promise<void>((done, fail) =>
  ready.once('error', fail).listen(Number(values['ready-port']), host, done),
);
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    stop.abort();
    ready.close();
    ready.closeAllConnections();
    void dns.close();
  });
}
await watchRecords({ records, kubeconfig: values.kubeconfig, log, signal: stop.signal });
isReady = true;
log.info({ port: dns.port, domain: records.domain }, 'cluster DNS is ready');
