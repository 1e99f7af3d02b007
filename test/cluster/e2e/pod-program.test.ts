// SPDX-License-Identifier: Apache-2.0
// The program of the pods, as one text in a Node of its own and over loopback, against itself.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { until } from '../../lab/until.ts';
import type { PodMethods } from './pod/main.ts';
import { podProgram } from './program-text.ts';

type Call = <N extends keyof PodMethods>(
  name: N,
  argument?: Parameters<PodMethods[N]>[0],
) => Promise<Awaited<ReturnType<PodMethods[N]>>>;

/** @returns ports that are free a moment later, as far as anybody can know. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = net.createServer().listen(0, '::');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  for (const server of servers) server.close();
  return ports;
}

async function startPod(t: ExecutionContext): Promise<{ call: Call; url: string; port: number }> {
  const [port = 0, control] = await freePorts(2);
  const env = { NAME: 'one', NODE: 'here', CONTROL_HOST: '127.0.0.1', CONTROL_PORT: `${control}` };
  const child = spawn(process.execPath, ['--input-type=module', '-e', podProgram()], {
    env: { ...process.env, ...env, PORTS: `${port}` },
    stdio: 'inherit',
  });
  t.teardown(() => child.kill('SIGKILL'));
  const url = `http://127.0.0.1:${control}`;
  const call: Call = async (name, argument) => {
    const body = argument === undefined ? null : JSON.stringify(argument);
    const response = await fetch(`${url}/${name}`, { method: 'POST', body });
    const { result, error } = (await response.json()) as { result: never; error?: string };
    if (error !== undefined) throw new Error(error);
    return result;
  };
  await until('the pod answers', () => call('self').catch(() => false as const));
  return { call, url, port };
}

const TARGETS = ['127.0.0.1', '::1'].flatMap((host) => [
  { host, protocol: 'tcp' as const },
  { host, protocol: 'udp' as const },
]);

test('a server says who it is and whom it sees, a client whom it has reached', async (t) => {
  const { call, port } = await startPod(t);
  for (const target of TARGETS) {
    const { answers, failures } = await call('dial', { ...target, port, count: 2 });
    t.deepEqual(failures, []);
    t.is(answers.length, 2);
    for (const answer of answers) {
      t.like(answer, { pod: 'one', node: 'here', port, peer: { address: target.host, port } });
      t.is(answer.client.address, target.host);
    }
  }
});

test('a client says with which errno it failed, and whom it did not hear', async (t) => {
  const { call } = await startPod(t);
  const [closed = 0] = await freePorts(1);
  for (const target of TARGETS) {
    const { answers, failures } = await call('dial', { ...target, port: closed });
    t.deepEqual(answers, []);
    t.deepEqual(
      failures.map(({ code }) => code),
      ['ECONNREFUSED'],
    );
  }
  const silent = net.createServer().listen(0, '127.0.0.1');
  t.teardown(() => silent.close());
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const order = { host: '127.0.0.1', port, protocol: 'tcp' as const, patienceMs: 100 };
  t.is((await call('dial', order)).failures[0]?.code, 'TIMEOUT');
});

const ONE_TARGET = { host: '127.0.0.1', protocol: 'tcp', kind: 'short', periodMs: 5 } as const;

test('traffic goes on until it is ended, and counts what fails', async (t) => {
  const { call, port } = await startPod(t);
  const [closed = 0] = await freePorts(1);
  const numbers: number[] = [];
  for (const target of TARGETS) {
    for (const kind of ['short', 'long'] as const) {
      numbers.push(await call('begin', { ...target, port, kind, periodMs: 5 }));
    }
  }
  const failing = await call('begin', { ...ONE_TARGET, port: closed });
  await until('all of it goes on', async () => {
    const reports = await Promise.all(numbers.map((number) => call('report', number)));
    return reports.every(({ exchanges }) => exchanges > 5);
  });
  for (const number of numbers) {
    const { failures, lastPod, pods, exchanges } = await call('end', number);
    t.deepEqual(failures, []);
    t.is(lastPod, 'one');
    t.deepEqual(pods, { one: exchanges });
  }
  const { failures, exchanges } = await call('end', failing);
  t.is(exchanges, 0);
  t.regex(failures[0] ?? '', / ECONNREFUSED$/);
});

test('a pod is as ready as it is told to be', async (t) => {
  const { call, url } = await startPod(t);
  const probe = async () => (await fetch(`${url}/ready`)).status;
  t.is(await probe(), 200);
  await call('setReady', false);
  t.is(await probe(), 503);
  t.deepEqual(await call('fetch', `${url}/ready`), { status: 503, body: '' });
  await t.throwsAsync(call('nothing' as never), { message: /no method nothing/ });
});
