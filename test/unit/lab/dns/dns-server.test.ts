// SPDX-License-Identifier: Apache-2.0
// DNS on the wire, over loopback: the server alone, and the whole process against an API server.

import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { type Answer, decode, encode, type Packet, streamDecode, streamEncode } from 'dns-packet';
import { ClusterRecords } from '../../../lab/dns/cluster-records.ts';
import { DnsServer } from '../../../lab/dns/dns-server.ts';
import { kubeconfig } from '../../../lab/kubeconfig.ts';
import type { KubeObject } from '../../../lab/object-store.ts';
import { serve } from '../api-client.ts';

const MANY = 'many.default.svc.cluster.local';

const headless = (endpoints: number): KubeObject[] => [
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'many', namespace: 'default' },
    spec: { clusterIP: 'None', ports: [] },
  },
  {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: 'many-x',
      namespace: 'default',
      labels: { 'kubernetes.io/service-name': 'many' },
    },
    addressType: 'IPv4',
    ports: [],
    endpoints: Array.from({ length: endpoints }, (_, i) => ({ addresses: [`10.244.1.${i}`] })),
  },
];

async function start(t: ExecutionContext, endpoints: number) {
  const view = new ClusterRecords();
  for (const object of headless(endpoints)) view.set(object);
  const server = await DnsServer.start({ view, host: '127.0.0.1', port: 0 });
  t.teardown(() => server.close());
  return server.port;
}

const query = (name: string, additionals: Answer[] = []): Packet => ({
  type: 'query',
  id: 77,
  questions: [{ type: 'A', name }],
  additionals,
});
const edns = (udpPayloadSize: number): Answer => ({
  type: 'OPT',
  name: '.',
  udpPayloadSize,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
});

async function overUdp(t: ExecutionContext, port: number, message: Buffer) {
  const socket = createSocket('udp4');
  t.teardown(() => socket.close());
  socket.send(message, port, '127.0.0.1');
  const [answer] = (await once(socket, 'message')) as [Buffer];
  return { size: answer.length, ...decode(answer) };
}

test('UDP: an answer that fits', async (t) => {
  const port = await start(t, 3);
  const answer = await overUdp(t, port, encode(query(MANY)));
  t.like(answer, { id: 77, flag_qr: true, flag_aa: true, flag_tc: false, rcode: 'NOERROR' });
  t.is(answer.answers?.length, 3);
});

test('UDP: too large is truncated, and comes whole with EDNS or over TCP', async (t) => {
  const port = await start(t, 20);
  const plain = await overUdp(t, port, encode(query(MANY)));
  t.true(plain.flag_tc && plain.size <= 512);
  t.is(plain.answers?.length, 0);
  const large = await overUdp(t, port, encode(query(MANY, [edns(1232)])));
  t.false(large.flag_tc);
  t.is(large.answers?.length, 20);
  t.is(large.additionals?.[0]?.type, 'OPT');
  const socket = connect(port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  // Two questions on one connection, the first in two pieces.
  const message = streamEncode(query(MANY));
  socket.write(message.subarray(0, 5));
  await sleep(10);
  socket.write(Buffer.concat([message.subarray(5), streamEncode(query('nothing.cluster.local'))]));
  let received = Buffer.alloc(0);
  const answers: Packet[] = [];
  for await (const piece of socket) {
    received = Buffer.concat([received, piece]);
    while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
      answers.push(streamDecode(received));
      received = received.subarray(2 + received.readUInt16BE(0));
    }
    if (answers.length === 2) break;
  }
  t.is(answers[0]?.answers?.length, 20);
  t.like(answers[1], { rcode: 'NXDOMAIN' } as object);
});

test('the first address changes from answer to answer', async (t) => {
  const port = await start(t, 3);
  const first = new Set<unknown>();
  for (let i = 0; i < 3; i++) {
    const { answers: [answer] = [] } = await overUdp(t, port, encode(query(MANY)));
    first.add(answer && 'data' in answer ? answer.data : undefined);
  }
  t.is(first.size, 3);
});

test('garbage and answers are not answered, later questions are', async (t) => {
  const port = await start(t, 1);
  const socket = createSocket('udp4');
  t.teardown(() => socket.close());
  socket.send(Buffer.from('x'), port, '127.0.0.1');
  socket.send(encode({ ...query(MANY), type: 'response' }), port, '127.0.0.1');
  socket.send(encode(query(MANY)), port, '127.0.0.1');
  const [answer] = (await once(socket, 'message')) as [Buffer];
  t.is(decode(answer).answers?.length, 1);
  const two = {
    ...query(MANY),
    questions: [...(query(MANY).questions ?? []), ...(query(MANY).questions ?? [])],
  };
  t.like(await overUdp(t, port, encode(two)), { rcode: 'FORMERR' } as object);
});

test('the process: follows the API server, and is found by an ordinary resolver', async (t) => {
  const { store, url } = await serve(t);
  const folder = await mkdtemp(path.join(tmpdir(), 'signalbox-dns-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const file = path.join(folder, 'kubeconfig');
  await writeFile(file, kubeconfig(url));
  const [port, readyPort] = [await freePort(), await freePort()];
  const main = fileURLToPath(new URL('../../../lab/dns/main.ts', import.meta.url));
  const options = {
    kubeconfig: file,
    'listen-address': '127.0.0.1',
    'listen-port': port,
    'ready-port': readyPort,
  };
  const child = spawn(
    process.execPath,
    [main, ...Object.entries(options).map(([name, value]) => `--${name}=${value}`)],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  const ended = once(child, 'exit');
  t.teardown(() => child.kill('SIGKILL'));
  const isReady = () =>
    fetch(`http://127.0.0.1:${readyPort}/ready`).then(
      (answer) => answer.ok,
      () => false,
    );
  while (!(await isReady())) await sleep(20);
  const resolver = new Resolver();
  resolver.setServers([`127.0.0.1:${port}`]);
  const lookUp = () => resolver.resolve4(MANY).catch((error) => error.code);
  t.is(await lookUp(), 'ENOTFOUND');
  for (const object of headless(2)) store.create(object);
  while ((await lookUp()) === 'ENOTFOUND') await sleep(20);
  t.deepEqual((await resolver.resolve4(MANY)).sort(), ['10.244.1.0', '10.244.1.1']);
  store.delete('Service', 'default', 'many');
  while ((await lookUp()) !== 'ENOTFOUND') await sleep(20);
  child.kill('SIGTERM');
  t.deepEqual(await ended, [0, null]);
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
