// SPDX-License-Identifier: Apache-2.0
// The stations of the benchmark with few Services: that each is what it says, and that nothing stays of them. What
// they cost is for the benchmark.

import { existsSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { findCgroupRoot } from '../../agent/sys/cgroup.ts';
import { fetchStatus, statusSocketPath } from '../../agent/telemetry/status-socket.ts';
import { requireProgram, requireRoot } from '../helpers/requirements.ts';
import type { ClientMethods } from '../lab/apps/client.ts';
import { labPaths } from '../lab/lab-traces.ts';
import { listNamespaces } from '../lab/netns.ts';
import type { Remote } from '../lab/rpc.ts';
import { type Place, spawnInside } from '../lab/spawn-inside.ts';
import { startClient } from '../lab/start-client.ts';
import { until } from '../lab/until.ts';
import { BACKEND_PLACES } from './outside-services.ts';
import { kubeProxyVersion } from './proxy-kube-proxy.ts';
import type { Family } from './result.ts';
import { SERVICE_PORT } from './service-objects.ts';
import type { OutsideTarget, Station } from './station.ts';
import { Stations } from './stations.ts';

const SERVICES = 10;
const REMOTE = 'the remote pod';
const SERVER = path.join(import.meta.dirname, '../lab/apps/quote.ts');
const FAMILIES: readonly Family[] = ['ipv4', 'ipv6'];

test.serial('each station is served by its proxy and by no other', async (t) => {
  if (!requireRoot(t)) return;
  if (!['nft', 'iptables-legacy-restore'].every((program) => requireProgram(t, program))) return;
  const bench = await Stations.start();
  t.teardown(() => bench.close());
  t.deepEqual(
    bench.arms.map(({ label, isStandIn }) => [label, isStandIn]),
    [
      ['no proxy', false],
      ['no proxy', false],
      ['Signalbox', false],
      ["rules shaped like kube-proxy's, nftables", true],
      ["rules shaped like kube-proxy's, iptables-legacy", true],
    ],
  );
  t.is(bench.notes.length, 2);

  await bench.services.growTo(SERVICES);
  t.is(bench.services.count, SERVICES);
  const tookMs = await bench.programAll();
  t.deepEqual([...tookMs.keys()], ['signalbox', 'nftables', 'iptables']);
  await devicesAreServed(t, bench);
  await changesAreWaitedFor(t, bench);

  const outside = startClient(bench.outside);
  await startServers(bench, outside);
  for (const station of bench.stations) {
    await clusterIPsAnswer(t, bench, station);
    await backendsAnswer(t, bench, station, outside);
  }
  // What is in the kernel serves on.
  const agent = bench.stations.find(({ arm }) => arm === 'signalbox')?.proxy;
  await agent?.end();
  t.is(agent?.pid, undefined);
  const seenAs = new Set<string>();
  for (const station of bench.stations) {
    if (station.proxy)
      for (const own of await nodePortsAnswer(t, bench, station, outside)) seenAs.add(own);
    else t.throws(() => bench.outside.nodePort(station, 'local', 'ipv4', 'echo'));
  }
  t.is(
    seenAs.size,
    FAMILIES.length * tookMs.size,
    'the remote pod cannot take one arm for another',
  );

  await bench.close();
  nothingIsLeft(t, bench);
});

test.serial('the proxy is started, ended, killed and taken out at will', async (t) => {
  if (!requireRoot(t)) return;
  const bench = await Stations.start({ arms: ['signalbox'], endpoints: 1 });
  t.teardown(() => bench.close());
  const [station] = bench.stations;
  const proxy = station?.proxy;
  if (!proxy) return t.fail('no proxy');
  await bench.services.growTo(1);
  const client = startClient(station.client.place);
  startServer(station.server.place, 'server');
  const errno = async () => {
    const target = { host: bench.services.clusterIP(0), port: SERVICE_PORT };
    const { failures } = await client.call('requests', { ...target, count: 1 });
    return failures[0]?.errno;
  };
  await t.throwsAsync(proxy.programmed(), { message: /no agent/ });

  const pid = proxy.begin();
  t.is(proxy.pid, pid);
  t.is(proxy.begin(), pid, 'it has one already');
  t.true((await proxy.programmed()) <= Date.now());
  t.true(((await proxy.heapMiB()) ?? 0) > 1);
  await until('the server listens', async () => (await errno()) === undefined);
  await proxy.kill();
  t.is(proxy.pid, undefined);
  t.is(await errno(), undefined);
  await proxy.cleanup();
  t.is(await errno(), 'ENETUNREACH');
});

test('what is no kube-proxy is told by what it says of its version', (t) => {
  t.throws(() => kubeProxyVersion('/bin/true'), { message: /\/bin\/true --version does not tell/ });
});

async function clusterIPsAnswer(t: ExecutionContext, bench: Stations, station: Station) {
  const client = startClient(station.client.place);
  for (const index of [0, SERVICES - 2]) {
    const host = bench.services.clusterIP(index);
    const { byPod, failures } = await client.call('requests', {
      host,
      port: SERVICE_PORT,
      count: 1,
    });
    const expected = station.proxy ? [{ [station.server.name]: 1 }, []] : [{}, ['ENETUNREACH']];
    t.deepEqual([byPod, failures.map(({ errno }) => errno)], expected, `${station.arm}: ${host}`);
  }
  const [host = ''] = bench.services.backends(0);
  await answers(t, client, { address: host, port: 8080 }, station.server.name);
}

async function backendsAnswer(
  t: ExecutionContext,
  { outside }: Stations,
  station: Station,
  client: Remote<ClientMethods>,
) {
  for (const place of BACKEND_PLACES) {
    for (const family of FAMILIES) {
      const target = outside.backend(station, place, family, 'echo');
      await answers(t, client, target, place === 'local' ? station.server.name : REMOTE);
    }
  }
}

/** @returns as whom the remote pod has seen the client. */
async function nodePortsAnswer(
  t: ExecutionContext,
  { outside }: Stations,
  station: Station,
  client: Remote<ClientMethods>,
): Promise<readonly string[]> {
  const seenAs: string[] = [];
  for (const family of FAMILIES) {
    await answers(
      t,
      client,
      outside.nodePort(station, 'local', family, 'echo'),
      station.server.name,
    );
    const target = outside.nodePort(station, 'remote', family, 'echo');
    seenAs.push(...(await answers(t, client, target, REMOTE)));
  }
  return seenAs;
}

async function answers(
  t: ExecutionContext,
  client: Remote<ClientMethods>,
  { address: host, port }: OutsideTarget,
  pod: string,
): Promise<readonly string[]> {
  const { byPod, failures, seenAs } = await client.call('requests', { host, port, count: 1 });
  t.deepEqual([byPod, failures], [{ [pod]: 1 }, []], `${host} port ${port}`);
  return seenAs;
}

/** By the agent's own choice, without being told. */
async function devicesAreServed(t: ExecutionContext, bench: Stations) {
  const station = bench.stations.find(({ arm }) => arm === 'signalbox');
  const status = await fetchStatus(station?.node.bpffs ?? '');
  const served = status?.devices.filter(({ attached }) => attached).map(({ name }) => name);
  t.deepEqual(served?.sort(), ['eth0', 'other', 'outside']);
}

async function changesAreWaitedFor(t: ExecutionContext, { services, stations }: Stations) {
  const before = services.backends(1);
  const storedMs = Date.now();
  const after = services.replaceBackends(1);
  t.deepEqual(services.backends(1), after);
  t.false(after.some((address) => before.includes(address)));
  for (const { proxy } of stations) {
    if (proxy) t.true((await proxy.programmed()) >= storedMs, proxy.label);
  }
}

/** @returns once they listen. */
async function startServers(
  { stations, remotePod, outside }: Stations,
  client: Remote<ClientMethods>,
) {
  for (const { server } of stations) startServer(server.place, server.name);
  startServer(remotePod, REMOTE);
  for (const station of stations) {
    for (const place of BACKEND_PLACES) {
      const { address: host, port } = outside.backend(station, place, 'ipv4', 'echo');
      await until(
        `${host} listens`,
        async () => (await client.call('connect', { host, port })).errno === undefined,
      );
    }
  }
}

/** Ends with the place's cgroup. */
function startServer(place: Place, name: string): void {
  const env = { ...process.env, HOSTNAME: name };
  spawnInside(place, [process.execPath, SERVER], { stdio: 'ignore', env });
}

function nothingIsLeft(t: ExecutionContext, { lab: { id, nodes } }: Stations) {
  t.deepEqual(
    listNamespaces().filter((name) => name.startsWith(id)),
    [],
  );
  const { cgroup, bpffs, directory } = labPaths(id, findCgroupRoot());
  const places = [cgroup, bpffs, directory, ...nodes.map((node) => statusSocketPath(node.bpffs))];
  t.deepEqual(places.filter(existsSync), []);
}
