// SPDX-License-Identifier: Apache-2.0
// What the prober says, against a server of this process that answers as it is told to.

import { spawn } from 'node:child_process';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { requireProgram } from '../helpers/requirements.ts';
import { Prober, type ProberPlace } from './prober.ts';

const HERE: ProberPlace = {
  spawn: ([program = '', ...args], options) => spawn(program, args, options),
};
const OLD = '10.0.0.1';
const NEW = '10.0.0.2';
const OTHER_NEW = '10.0.0.3';

/** Waits for this process' servers as long as a busy machine takes. */
const PATIENT_MS = 5000;

function startProber(t: ExecutionContext, timeoutMs = PATIENT_MS): Prober {
  const directory = mkdtempSync(path.join(tmpdir(), 'prober-test-'));
  const prober = new Prober(HERE, directory, timeoutMs);
  t.teardown(async () => {
    await prober.close();
    rmSync(directory, { recursive: true });
  });
  return prober;
}

interface Answering {
  readonly port: number;
  /** Of each try, when it came. */
  readonly seenNs: bigint[];
}

/** @param answer for the how-manieth question, from 0; undefined: none. */
async function answering(
  t: ExecutionContext,
  answer: (index: number) => string | undefined,
): Promise<Answering> {
  const seenNs: bigint[] = [];
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => {
      const text = answer(seenNs.push(process.hrtime.bigint()) - 1);
      if (text !== undefined) socket.write(`${text}\n`);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return { port: (server.address() as AddressInfo).port, seenNs };
}

function expectation(port: number, expected = [NEW]) {
  return { protocol: 'TCP', address: '127.0.0.1', port, expected } as const;
}

test('it lands with the first connection that the right one answers, and not before', async (t) => {
  if (!requireProgram(t, 'cc')) return;
  const prober = startProber(t);
  const { port, seenNs } = await answering(t, (index) => (index < 20 ? OLD : OTHER_NEW));
  const watch = prober.watch(expectation(port, [NEW, OTHER_NEW]));
  const landing = await watch.landed;
  t.is(landing?.tries, 21);
  t.true((landing?.atNs ?? 0n) > (seenNs[19] as bigint));
  t.true((landing?.atNs ?? 0n) < (seenNs[20] as bigint));
  t.true((landing?.sinceTryNs ?? 0) >= 100_000);
  t.deepEqual(await watch.settled, { wentBack: 0, failed: 0 });
});

test('connections that go back to the old one afterwards are counted', async (t) => {
  if (!requireProgram(t, 'cc')) return;
  const prober = startProber(t);
  const { port } = await answering(t, (index) => (index === 3 || index > 5 ? NEW : OLD));
  const watch = prober.watch(expectation(port));
  t.is((await watch.landed)?.tries, 4);
  t.deepEqual(await watch.settled, { wentBack: 2, failed: 0 });
});

test('what is never answered by the right one never lands', async (t) => {
  if (!requireProgram(t, 'cc')) return;
  const prober = startProber(t);
  // Addresses that begin alike, and one that is part of another.
  const { port, seenNs } = await answering(t, (index) => (index % 2 ? '10.0.0.20' : '0.0.0.2'));
  const watch = prober.watch(expectation(port));
  while (seenNs.length < 20) await sleep(10);
  t.regex(await watch.giveUp(), /^(0\.0\.0\.2|10\.0\.0\.20)$/);
  t.is(await watch.landed, undefined);
  t.is(await watch.settled, undefined);
});

test('refused, hung up, not answered: not yet', async (t) => {
  if (!requireProgram(t, 'cc')) return;
  const prober = startProber(t, 20);
  const closed = await answering(t, () => undefined);
  const watch = prober.watch(expectation(closed.port));
  await sleep(300);
  t.is(await watch.giveUp(), 'ETIMEDOUT');
  t.is(await watch.landed, undefined);

  const refusing = prober.watch(expectation(1));
  await sleep(300);
  t.is(await refusing.giveUp(), 'ECONNREFUSED');
});

test('those that are not answered do not hold up the others, and land once they are', async (t) => {
  if (!requireProgram(t, 'cc')) return;
  const prober = startProber(t, 20);
  let isSilent = true;
  const silent = await answering(t, () => (isSilent ? undefined : NEW));
  const ready = await answering(t, () => NEW);
  const late = Array.from({ length: 20 }, () => prober.watch(expectation(silent.port)));
  t.truthy(await prober.watch(expectation(ready.port)).landed);
  isSilent = false;
  const landings = await Promise.all(late.map((watch) => watch.landed));
  t.is(landings.filter(Boolean).length, 20);
});

test('datagrams are tried as connections are', async (t) => {
  if (!requireProgram(t, 'cc')) return;
  const prober = startProber(t, 20);
  const server = dgram.createSocket('udp4');
  let asked = 0;
  server.on('message', (_, { port, address }) => {
    if (asked++ > 0) server.send(asked === 2 ? `${OLD}\n` : `${NEW}\n`, port, address);
  });
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address();
  const watch = prober.watch({ ...expectation(port), protocol: 'UDP' });
  t.true(((await watch.landed)?.tries ?? 0) >= 3);
});

test('to look at many says the first that leads elsewhere, and who answers there', async (t) => {
  if (!requireProgram(t, 'cc')) return;
  const prober = startProber(t);
  const right = await answering(t, () => NEW);
  const wrong = await answering(t, () => OLD);
  const many = Array.from({ length: 300 }, () => expectation(right.port));
  const landings = await prober.look(many, 5000);
  t.is(landings.length, 300);
  await t.throwsAsync(prober.look([expectation(right.port), expectation(wrong.port)], 1000), {
    message: `TCP 127.0.0.1:${wrong.port} leads to ${OLD} in place of ${NEW}`,
  });
});

test('the CPU time of a process is what it says itself', async (t) => {
  if (!requireProgram(t, 'cc')) return;
  const prober = startProber(t);
  const before = process.cpuUsage();
  const seconds = await prober.cpuSeconds(process.pid);
  const after = process.cpuUsage();
  t.true(seconds * 1e6 >= before.user + before.system - 1);
  t.true(seconds * 1e6 <= after.user + after.system + 1);
  await t.throwsAsync(prober.cpuSeconds(2 ** 22 + 1), { message: /no process/ });
});
