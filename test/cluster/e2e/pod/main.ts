// SPDX-License-Identifier: Apache-2.0
// Program: what runs in every pod of the end-to-end tests, as text for `node -e` (see program-text.ts). It serves, and does
// on request what a client does: a request over HTTP to its control address names one of the methods.

import { spawnSync } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import http from 'node:http';
import { dial } from './exchange.ts';
import { serve } from './serve.ts';
import { Traffic } from './traffic.ts';
import type { TrafficOrder } from './wire.ts';

const {
  NAME = '',
  NODE = '',
  PORTS = '',
  CONTROL_HOST = '::',
  CONTROL_PORT = '9090',
} = process.env;
const FETCH_PATIENCE_MS = 30_000;

let isReady = process.env.READY !== 'no';

const running: Traffic[] = [];

function traffic(number: number): Traffic {
  const found = running[number];
  if (!found) throw new Error(`no traffic ${number}: this pod has been restarted since it began`);
  return found;
}

const methods = {
  self: () => ({ pod: NAME, node: NODE, network: readlinkSync('/proc/self/ns/net') }),
  dial,
  /** @returns its number. */
  begin: (order: TrafficOrder) => running.push(new Traffic(order)) - 1,
  report: (number: number) => traffic(number).report(),
  end: (number: number) => traffic(number).end(),
  /** What the readiness probe of the kubelet is answered from now on. */
  setReady(ready: boolean) {
    isReady = ready;
  },
  /** Ends the program, whatever signals mean to it. */
  exit() {
    setImmediate(() => process.exit(0));
  },
  fetch: async (url: string) => {
    const response = await fetch(url, { signal: AbortSignal.timeout(FETCH_PATIENCE_MS) });
    return { status: response.status, body: await response.text() };
  },
  run: ([program = '', ...args]: readonly string[]) => {
    const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
    return { code: status, output: `${stdout}${stderr}${error?.message ?? ''}` };
  },
};

export type PodMethods = typeof methods;

async function answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
  const name = (request.url ?? '').slice(1);
  if (name === 'ready') return void response.writeHead(isReady ? 200 : 503).end();
  let body = '';
  for await (const chunk of request) body += chunk;
  const method = (methods as Record<string, (argument: unknown) => unknown>)[name];
  try {
    if (!method) throw new Error(`no method ${name}`);
    const result = await method(body === '' ? undefined : JSON.parse(body));
    response.end(JSON.stringify({ result: result ?? null }));
  } catch (error) {
    response.end(JSON.stringify({ error: String(error) }));
  }
}

for (const port of PORTS.split(',').filter(Boolean)) serve({ pod: NAME, node: NODE }, Number(port));
const control = http.createServer((request, response) => void answer(request, response));
// Whoever asks ends the connection: otherwise the next request may meet its end.
control.keepAliveTimeout = 0;
control.listen(Number(CONTROL_PORT), CONTROL_HOST);

// As process 1 it would not end by the signal alone.
process.on('SIGTERM', () => {
  if (process.env.ON_TERM !== 'serve') process.exit(0);
});
