// SPDX-License-Identifier: Apache-2.0
// What others ask: queries of explain, requests to the agent's servers, what an API server answers in headers; and the
// command line, with a few values that nobody means well.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import path from 'node:path';
import { Readable } from 'node:stream';
import { text as textOf } from 'node:stream/consumers';
import test from 'ava';
import fc from 'fast-check';
import { createApiClient } from '../../../agent/cluster/api-client.ts';
import { ApiError } from '../../../agent/cluster/api-error.ts';
import { parseDuration } from '../../../agent/commands/duration.ts';
import { answerLines, linesOf } from '../../../agent/commands/explain-batch.ts';
import { parseQueryLine } from '../../../agent/commands/explain-query.ts';
import { UsageError } from '../../../agent/errors.ts';
import { ClusterState } from '../../../agent/model/cluster-state.ts';
import { parseDeviceNames } from '../../../agent/model/device-choice.ts';
import { printable, printableLines } from '../../../agent/printable.ts';
import { HttpConnections } from '../../../agent/telemetry/http-connections.ts';
import { faultTest } from '../../faults/fault-test.ts';
import { Fuzzing } from './fuzz.ts';
import { mutatedBytes, mutatedText } from './mutate.ts';

const QUERIES = [
  'host tcp/10.96.0.10:53',
  '10.244.1.7 udp/[fd00::a]:53',
  'external sctp/10.96.0.10:65535',
  'host tcp/10.96.0.1:80\nexternal tcp/192.0.2.1:30080\n# a comment\n\n::1 udp/[::ffff:10.0.0.1]:1\n',
];
const QUERY_WORDS = ['host', 'external', 'tcp/', 'udp/', ':53', '[', ']', '::', '%eth0', '#', '\n'];

const NODE = {
  name: 'node-1',
  zone: '',
  nodeIPs: [],
  localAddresses: new Set<never>(),
  nodePortAddresses: [],
  clusterCIDRs: [],
  serviceCIDRs: [],
  masqueradeAll: false,
  masqueradePorts: { first: 49_152, count: 16_384 },
};

faultTest(
  test,
  'hostile-input',
  async (t, report) => {
    const fuzzing = new Fuzzing(t);
    fuzzing.run({
      what: 'queries, names of devices, durations, text for a terminal',
      input: mutatedText([...QUERIES, 'eth0,veth*,bond0', '3d4h', '45s'], QUERY_WORDS),
      runs: 8_000,
      check(text) {
        try {
          const { to } = parseQueryLine(text);
          assert.ok(['TCP', 'UDP', 'SCTP'].includes(to.protocol));
          assert.ok(to.port >= 1 && to.port <= 65_535);
        } catch (error) {
          assert.ok(error instanceof UsageError, String(error));
        }
        parseDeviceNames(text);
        const seconds = parseDuration(text);
        assert.ok(seconds === undefined || seconds >= 0);
        assert.ok(!/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(printable(text)));
        assert.ok(!/[^\P{C}\n]/u.test(printableLines(text)));
        assert.equal(printable(printable(text)), printable(text));
      },
    });
    const cluster = new ClusterState();
    await fuzzing.runAsync({
      what: 'batches of queries',
      input: fc.tuple(mutatedBytes(QUERIES.map((query) => Buffer.from(query))), fc.nat(64)),
      runs: 400,
      async check([bytes, size]) {
        const chunks: Buffer[] = [];
        for (let at = 0; at < bytes.length; at += size + 1) {
          chunks.push(Buffer.from(bytes.subarray(at, at + size + 1)));
        }
        const input = Readable.from(chunks, { objectMode: false });
        let answers = 0;
        for await (const answer of answerLines(cluster, NODE, linesOf(input, 200))) {
          answers += 1;
          assert.ok(JSON.stringify(answer).length < 20_000);
        }
        assert.ok(answers <= bytes.length);
      },
    });
    report(fuzzing.figures);
  },
  'queries',
);

const REQUESTS = [
  'GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n',
  'POST /healthz?a=b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc',
  'GET /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
  'GET http://a/livez HTTP/1.0\r\nExpect: 100-continue\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n',
].map((text) => Buffer.from(text));

const ANSWERS = [
  'HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\n{}',
  'HTTP/1.1 503 x\r\nRetry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\nContent-Length: 33\r\n\r\n{"kind":"Status","message":"down"}',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n',
  'HTTP/1.1 401 Unauthorized\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnull',
  'HTTP/1.0 200 OK\r\n\r\n{"metadata":{"resourceVersion":"1"},"items":[]}',
].map((text) => Buffer.from(text));

faultTest(
  test,
  'hostile-input',
  async (t, report) => {
    const fuzzing = new Fuzzing(t);
    const servers = new HttpConnections<undefined>((request, response) => {
      response.end(`${request.url}`.slice(0, 100));
    });
    const {
      promise: listening,
      resolve: onListening,
      reject: onError,
    } = Promise.withResolvers<void>();
    const listener = servers.listen({
      host: '127.0.0.1',
      port: 0,
      ipv6Only: false,
      context: undefined,
      onListening,
      onError,
    });
    t.teardown(() => {
      listener.close();
      servers.close();
    });
    await listening;
    const { port = 0 } = listener.address ?? {};
    const good = Buffer.from('GET /good HTTP/1.0\r\n\r\n');
    await fuzzing.runAsync({
      what: 'requests',
      input: mutatedBytes(REQUESTS),
      runs: 250,
      async check(bytes) {
        // What is not whole is waited for: nobody else waits for that.
        const hostile = net.connect({ host: '127.0.0.1', port });
        hostile.on('error', () => {});
        hostile.resume().end(bytes);
        await once(hostile, 'ready');
        const answer = await said(port, good);
        hostile.destroy();
        assert.ok(answer.startsWith('HTTP/1.1 200 OK\r\n') && answer.endsWith('\r\n\r\n/good'));
      },
    });
    const answers: Uint8Array[] = [];
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => {});
      // Not before it is asked: an answer to nothing is not read.
      socket.once('data', () => socket.end(answers.shift() ?? ''));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.teardown(() => server.close());
    const { port: apiPort } = server.address() as net.AddressInfo;
    const client = createApiClient({
      access: {
        server: new URL(`http://127.0.0.1:${apiPort}`),
        credentials: async () => ({ headers: {}, tls: {} }),
        forget() {},
      },
    });
    t.teardown(() => client.close());
    await fuzzing.runAsync({
      what: 'answers of an API server',
      input: mutatedBytes(ANSWERS),
      runs: 250,
      async check(bytes) {
        answers.length = 0;
        answers.push(bytes);
        const { signal } = new AbortController();
        try {
          await client.get({ path: '/x', query: {}, signal });
        } catch (error) {
          assert.ok(error instanceof ApiError, String(error));
          const { retryAfterMs = 1 } = error;
          assert.ok(retryAfterMs > 0 && retryAfterMs <= 300_000);
          assert.ok(error.message.length < 20_000);
        }
      },
    });
    report(fuzzing.figures);
  },
  'requests and answers over HTTP',
);

/** What is answered to `bytes`. */
async function said(port: number, bytes: Uint8Array): Promise<string> {
  const socket = net.connect({ host: '127.0.0.1', port });
  socket.end(bytes);
  return await textOf(socket);
}

const ROOT = path.join(import.meta.dirname, '../../..');

/** Wherever what is hostile is let through, this is not there. */
const NOWHERE = ['--cgroup', '/nonexistent', '--bpffs', '/nonexistent'];

faultTest(
  test,
  'hostile-input',
  async (t, report) => {
    const lines: readonly (readonly string[])[] = [
      ['__proto__'],
      ['constructor', '--help=x'],
      ['explain', 'host', 'constructor/10.96.0.1:80'],
      ['flows', '--state', 'toString'],
      ['status', '-o', '\x1b[2J'],
      ['agent', ...NOWHERE, '--__proto__=1'],
      ['agent', ...NOWHERE, '--masquerade-ports', '99999999999999999999-1'],
      ['agent', ...NOWHERE, '--feature-gates', `${' '.repeat(100_000)}x`],
      ['agent', ...NOWHERE, '--config-sync-period', `${'9'.repeat(100_000)}h`],
      ['agent', ...NOWHERE, '--node-ip', '10.0.0.1,\u202e::1%eth0', '--devices', '../../x'],
    ];
    for (const args of lines) {
      const shown = args.join(' ').slice(0, 80);
      const child = spawn(process.execPath, [path.join(ROOT, 'agent/main.ts'), ...args], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      t.teardown(() => child.kill('SIGKILL'));
      const [[code], errors] = await Promise.all([once(child, 'exit'), textOf(child.stderr)]);
      t.is(code, 2, `${shown}: ${errors.slice(0, 500)}`);
      t.notRegex(errors, /^ +at /m, shown);
      t.is(errors, printableLines(errors), shown);
    }
    report({ injections: lines.length, failed: 0 });
  },
  'the command line',
);
