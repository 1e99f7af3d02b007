// SPDX-License-Identifier: Apache-2.0
// What is measured is what it is called: with the real agent, few Services and few exchanges, by what BPF programs ran.

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import anyTest, { type TestFn } from 'ava';
import { requireProgram, requireRoot } from '../helpers/requirements.ts';
import { namespacePath } from '../lab/netns.ts';
import { measureBulk } from './bulk.ts';
import { measureLatencies } from './latency.ts';
import { measurePrograms } from './programs.ts';
import { LATENCY_KINDS, type Program } from './result.ts';
import { BACKEND_PORT } from './service-objects.ts';
import type { Station } from './station.ts';
import { Stations } from './stations.ts';
import { Traffic } from './traffic.ts';

const test = anyTest as TestFn<{ bench: Stations; traffic: Traffic }>;

const EXCHANGES = 50;
/** With the 40 that warm up: sockets of at most 25 exchanges, and 2 more with each. */
const SOCKETS = 4;
const ON_SOCKETS = 98;
const quiet = () => {};

test.before(async (t) => {
  if (!requirePrograms(t)) return;
  const bench = await Stations.start({ arms: ['direct', 'directAgain', 'signalbox'] });
  t.context.bench = bench;
  await bench.services.growTo(10);
  await bench.programAll({ end: true });
  t.context.traffic = await Traffic.start(bench);
});

test.after.always(async (t) => {
  await t.context.bench?.close();
});

test.serial('every arm is measured, by every path', async (t) => {
  if (!requirePrograms(t)) return;
  const { traffic } = t.context;
  const short = { rounds: 2, exchanges: EXCHANGES };
  const inside = { path: 'clusterIP', ...short } as const;
  const outside = { kind: 'connection', path: 'nodePortRemote', family: 'ipv6', ...short } as const;
  for (const latency of [
    ...(await inTurn(LATENCY_KINDS, (kind) =>
      measureLatencies(traffic, { kind, ...inside }, quiet),
    )),
    await measureLatencies(traffic, outside, quiet),
  ]) {
    t.is(latency.services, 10);
    t.deepEqual(
      latency.arms.map(({ arm, us, past }) => [arm, us.count, past?.us.count]),
      [
        ['direct', 100, undefined],
        ['directAgain', 100, undefined],
        ['signalbox', 100, 100],
      ],
    );
  }
});

test.serial('CPU and time of streams and datagrams are measured', async (t) => {
  if (!requirePrograms(t)) return;
  const { traffic } = t.context;
  for (const options of [
    { kind: 'stream', path: 'clusterIP', block: 1 },
    { kind: 'stream', path: 'nodePortLocal', family: 'ipv6', block: 1 },
    { kind: 'datagrams', path: 'nodePortRemote', block: 320 },
  ] as const) {
    const { arms } = await measureBulk(traffic, { ...options, rounds: 1 }, quiet);
    t.deepEqual(
      arms.map(({ arm }) => arm),
      ['direct', 'directAgain', 'signalbox'],
    );
    for (const { cpuSeconds, seconds } of arms) {
      t.is(cpuSeconds.count, 10);
      t.true(cpuSeconds.min > 0 && seconds.min > 0);
    }
  }
});

test.serial('the programs that run are those of what is measured, as often', async (t) => {
  if (!requirePrograms(t)) return;
  const programs = await measurePrograms(t.context.traffic, quiet, EXCHANGES);
  const runs = (traffic: string) =>
    Object.fromEntries(
      programs
        .filter((program) => program.traffic === traffic)
        .map(({ name, runsPerUnit }) => [name, runsPerUnit]),
    );
  for (const to of ['cluster IP', 'past cluster IP']) {
    const connected = { connect4: 1, getpeername4: 1 };
    const connectedOnce = { connect4: SOCKETS / ON_SOCKETS, getpeername4: SOCKETS / ON_SOCKETS };
    // The server is a pod, too: its answer passes sendmsg4, and what it gets comes to a socket of both families.
    const answered = { sendmsg4: 1, recvmsg6: 1 };
    const there = { sendmsg4: 2, recvmsg4: 1, recvmsg6: 1 };
    t.deepEqual(runs(`connect, ${to}`), connected);
    t.deepEqual(runs(`connection, ${to}`), connected);
    t.deepEqual(runs(`roundTrip, ${to}`), connectedOnce);
    t.deepEqual(runs(`firstDatagram, ${to}`), there);
    t.deepEqual(runs(`firstDatagramConnected, ${to}`), { ...connected, ...answered });
    t.deepEqual(runs(`nextDatagram, ${to}`), there);
    t.deepEqual(runs(`nextDatagramConnected, ${to}`), { ...connectedOnce, ...answered });
  }
  for (const place of ['local', 'remote']) {
    for (const family of ['IPv4', 'IPv6']) {
      for (const to of [`nodePort, ${place}, ${family}`, `past nodePort, ${place}, ${family}`]) {
        // Who dials is outside of what the programs on sockets serve.
        const names = Object.keys(runs(`connection, ${to}`));
        t.true(names.length > 0 && names.every((name) => /ingress|egress/.test(name)), `${names}`);
        const perConnection = sum(programs, `connection, ${to}`);
        t.true(perConnection >= 6, `${perConnection} runs for a connection, ${to}`);
        const perTrip = sum(programs, `roundTrip, ${to}`);
        t.true(perTrip >= 2 && perTrip < perConnection, `${perTrip} runs for a round trip, ${to}`);
      }
    }
  }
});

test.serial(
  'who answers as somebody else, or something else, or not at all, is found',
  async (t) => {
    if (!requirePrograms(t)) return;
    const { traffic, bench } = t.context;
    const station = bench.stations[0] as Station;
    const [address = ''] = bench.services.backends(0);
    const liar = station.server.spawn([process.execPath, '--eval', LIAR], {
      stdio: ['ignore', 'pipe', 'inherit'],
    }) as ChildProcess;
    t.teardown(() => liar.kill());
    if (liar.stdout) await once(liar.stdout, 'data');
    const attempt = async (
      kind: 'connection' | 'firstDatagram' | 'firstDatagramConnected',
      port: number,
    ) => {
      const { namespace, cgroup } = station.client.place;
      const arm = {
        name: 'the-arm',
        arm: 'direct',
        way: 'backend',
        namespace: namespacePath(namespace),
      } as const;
      const told = await traffic.describe([{ ...arm, cgroup, targets: [{ address, port }] }]);
      return traffic.run(told, { kind, count: 1, block: 1, seed: 1 });
    };
    await t.notThrowsAsync(attempt('connection', BACKEND_PORT));
    await t.throwsAsync(attempt('connection', 9000), {
      message: `the client ended with 1: measure-client: the-arm: another byte than was sent: ${address}:9000: Protocol error`,
    });
    await t.throwsAsync(attempt('firstDatagram', 9000), {
      message: `the client ended with 1: measure-client: the-arm: ${station.server.addresses.ipv4}:9000 is shown for ${address}:9000: Protocol error`,
    });
    await t.throwsAsync(attempt('connection', 9001), {
      message: `the client ended with 1: measure-client: the-arm: connect to ${address}:9001: Connection refused`,
    });
    await t.throwsAsync(attempt('firstDatagramConnected', 9001), {
      message: /the-arm: a datagram and its answer: .*:9001: Connection refused/,
    });
    await traffic.rest();
  },
);

test.serial('a server tells many at once which address each has reached', async (t) => {
  if (!requirePrograms(t)) return;
  const { bench } = t.context;
  const { client } = bench.stations[0] as Station;
  const [address = ''] = bench.services.backends(1);
  const { code, stdout, stderr } = await client.run([process.execPath, '--eval', ASKERS, address]);
  t.is(code, 0, stderr);
  t.deepEqual(new Set(stdout.trim().split('\n')), new Set([`a${address}`, `udp ${address}`]));
});

/** Answers from the address of the pod, whichever it was asked at; and each byte by another. */
const LIAR = `
  require('node:net').createServer((c) => c.on('data', () => c.write('A')).on('error', () => {})).listen(9000, '0.0.0.0');
  const socket = require('node:dgram').createSocket('udp4');
  socket.on('message', (datagram, { port, address }) => socket.send(datagram, port, address));
  socket.bind(9000, () => console.log('ready'));
`;

const ASKERS = `
  const [address] = process.argv.slice(1);
  let left = 40;
  const connections = Array.from({ length: left }, () => {
    const connection = require('node:net').connect(${BACKEND_PORT}, address, () => connection.write('a?'));
    let text = '';
    connection.on('data', (data) => {
      text += data;
      if (!text.endsWith('\\n')) return;
      console.log(text.trimEnd());
      if (--left === 0) ask();
    });
    return connection;
  });
  function ask() {
    for (const connection of connections) connection.destroy();
    const socket = require('node:dgram').createSocket('udp4');
    socket.on('message', (data) => { console.log('udp ' + data.toString().trimEnd()); socket.close(); });
    socket.send('?', ${BACKEND_PORT}, address);
  }
`;

function requirePrograms(t: Parameters<typeof requireRoot>[0]): boolean {
  return requireRoot(t) && requireProgram(t, 'cc') && requireProgram(t, 'bpftool');
}

function sum(programs: readonly Program[], traffic: string): number {
  return programs
    .filter((program) => program.traffic === traffic)
    .reduce((total, { runsPerUnit }) => total + runsPerUnit, 0);
}

async function inTurn<T, R>(all: readonly T[], each: (one: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const one of all) results.push(await each(one));
  return results;
}
