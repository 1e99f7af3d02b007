// SPDX-License-Identifier: Apache-2.0
// What clients of the health servers may do, and what it costs: real connections on loopback.

import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import {
  type ConnectionLimits,
  HttpConnections,
} from '../../../agent/telemetry/http-connections.ts';
import { until } from '../../lab/until.ts';

const LIMITS: ConnectionLimits = { connections: 4, lifetimeMs: 30_000, headerBytes: 1024 };

async function serve(t: ExecutionContext, limits: Partial<ConnectionLimits> = {}) {
  const connections = new HttpConnections<string>(
    (request, response, context) => response.end(`${context}: ${request.method} ${request.url}`),
    { ...LIMITS, ...limits },
  );
  t.teardown(() => connections.close());
  const listener = await listen(connections);
  t.teardown(() => listener.close());
  return { connections, port: listener.address?.port ?? 0 };
}

async function listen(connections: HttpConnections<string>, context = 'here') {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const listener = connections.listen({
    host: '127.0.0.1',
    port: 0,
    ipv6Only: true,
    context,
    onListening: resolve,
    onError: reject,
  });
  await promise;
  return listener;
}

interface Client {
  readonly socket: net.Socket;
  readonly received: () => string;
  readonly closed: Promise<void>;
}

async function connect(
  t: ExecutionContext,
  port: number,
  text = '',
  localAddress = '127.0.0.1',
): Promise<Client> {
  const socket = net.connect({ port, host: '127.0.0.1', localAddress });
  t.teardown(() => socket.destroy());
  let received = '';
  socket.setEncoding('latin1').on('data', (data) => {
    received += data;
  });
  socket.on('error', () => {});
  // However it ends: one that is closed with something unread is reset.
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await once(socket, 'connect');
  socket.write(text);
  return { socket, received: () => received, closed };
}

/** The whole answer to `text`; the server must end the connection. */
async function ask(t: ExecutionContext, port: number, text: string): Promise<string> {
  const client = await connect(t, port, text);
  await client.closed;
  return client.received();
}

const GET = 'GET /x HTTP/1.1\r\nHost: a\r\n\r\n';

test('one answer to a connection, with what is known of the listener', async (t) => {
  const { connections, port } = await serve(t);
  const other = await listen(connections, 'there');
  t.teardown(() => other.close());
  const answer = await ask(t, port, GET + GET);
  t.regex(answer, /^HTTP\/1\.1 200 OK\r\n/);
  t.regex(answer, /\r\nConnection: close\r\n/);
  t.regex(answer, /here: GET \/x$/);
  t.regex(await ask(t, other.address?.port ?? 0, GET), /there: GET \/x$/);
});

test('any method, a body that nobody reads, HTTP 1.0, a client that has said all it will', async (t) => {
  const { port } = await serve(t);
  const body = 'x'.repeat(200_000);
  const post = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  t.regex(await ask(t, port, post), /here: POST \/$/);
  t.regex(await ask(t, port, 'GET / HTTP/1.0\r\n\r\n'), /here: GET \/$/);
  const client = await connect(t, port, GET);
  client.socket.end();
  await client.closed;
  t.regex(client.received(), /here: GET \/x$/);
});

test('headers are short; what is no HTTP is refused', async (t) => {
  const { port } = await serve(t);
  const long = `GET / HTTP/1.1\r\nHost: a\r\nA: ${'x'.repeat(2000)}\r\n\r\n`;
  t.regex(await ask(t, port, long), /^HTTP\/1\.1 431 /);
  t.regex(await ask(t, port, 'SSH-2.0-x\r\n\r\n'), /^HTTP\/1\.1 400 /);
});

test('who holds many connections open keeps nobody out: the oldest make room', async (t) => {
  const { port } = await serve(t);
  const held: Client[] = [];
  for (let i = 0; i < 10; i++) held.push(await connect(t, port, 'GET / HTTP/1.1\r\nA: '));
  t.regex(await ask(t, port, GET), /here: GET \/x$/);
  await Promise.all(held.slice(0, 7).map(({ closed }) => closed));
  t.deepEqual(
    held.slice(7).map(({ socket }) => socket.closed),
    [false, false, false],
  );
});

test('who holds many is the one who makes room, however old another one is', async (t) => {
  const { port } = await serve(t);
  const old = await connect(t, port, GET.slice(0, 10), '127.0.0.2');
  const held: Client[] = [];
  for (let i = 0; i < 10; i++) held.push(await connect(t, port, 'GET / HTTP/1.1\r\nA: '));
  await Promise.all(held.slice(0, 7).map(({ closed }) => closed));
  t.false(old.socket.closed);
  old.socket.write(GET.slice(10));
  await old.closed;
  t.regex(old.received(), /here: GET \/x$/);
});

test('a connection that comes to nothing ends, whatever it sends meanwhile', async (t) => {
  const { port } = await serve(t, { lifetimeMs: 200 });
  const silent = await connect(t, port);
  const slow = await connect(t, port, 'GET / HTTP/1.1\r\n');
  const drip = setInterval(() => slow.socket.write('A: b\r\n'), 20);
  t.teardown(() => clearInterval(drip));
  await Promise.all([silent.closed, slow.closed]);
  t.pass();
});

test('many that connect and leave hold nothing', async (t) => {
  const { port } = await serve(t);
  for (let i = 0; i < 50; i++) (await connect(t, port, 'GET')).socket.destroy();
  const clients = await Promise.all([1, 2, 3, 4].map(() => connect(t, port)));
  await sleep(50);
  t.true(clients.every(({ socket }) => !socket.closed));
});

test('close ends what is open', async (t) => {
  const { connections, port } = await serve(t);
  const client = await connect(t, port);
  await until('it is accepted, and then closed', () => {
    connections.close();
    return client.socket.closed;
  });
  t.is(client.received(), '');
});

test('a listener that is closed as soon as it is opened does not listen', async (t) => {
  const connections = new HttpConnections<string>((_, response) => response.end());
  const listener = connections.listen({
    host: '127.0.0.1',
    port: 0,
    ipv6Only: true,
    context: '',
    onListening: () => t.fail('it listens'),
    onError: (error) => t.fail(error.message),
  });
  listener.close();
  await sleep(50);
  t.is(listener.address, undefined);
});
