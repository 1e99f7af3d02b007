// SPDX-License-Identifier: Apache-2.0
// What the stations of the benchmark are made of, as far as it takes no machine: Services, addresses and nodePorts that
// do not meet, and how far a proxy says that it is.

import test from 'ava';
import { AddressRange } from '../lab/address-range.ts';
import type { KubeObject } from '../lab/kube-object.ts';
import { ObjectStore } from '../lab/object-store.ts';
import { StoredServices } from './bench-services.ts';
import {
  BACKEND_PLACES,
  nodePort,
  nodePortService,
  OUTSIDE_SERVERS,
  targetPort,
} from './outside-services.ts';
import { otherCommands, outsideCommands, remoteAddresses } from './outside-topology.ts';
import { parseHeapMiB, parseProgress } from './proxy-progress.ts';
import { backendAddress, sliceObject } from './service-objects.ts';
import { BENCH_SERVICE_CIDRS } from './stations.ts';

const INDEXES = [1, 2, 3, 4, 5];

test('a Service stays what it is when more are added', async (t) => {
  const store = new ObjectStore();
  const services = new StoredServices(store, 3);
  await services.growTo(10);
  const known = () =>
    Array.from({ length: 10 }, (_, i) => [
      services.clusterIP(i),
      services.protocol(i),
      services.backends(i),
    ]);
  const before = known();
  await services.growTo(120);
  await services.growTo(7);
  t.is(services.count, 120);
  t.deepEqual(known(), before);
  t.is(store.list('Service').length, 120);
  t.is(store.list('EndpointSlice').length, 120);
  t.throws(() => services.clusterIP(120), { instanceOf: RangeError });
  t.throws(() => services.backends(-1), { instanceOf: RangeError });
});

test('every tenth Service is of UDP', async (t) => {
  const services = new StoredServices(new ObjectStore(), 1);
  const protocols = Array.from({ length: 30 }, (_, i) => services.protocol(i));
  t.deepEqual(
    protocols.flatMap((protocol, i) => (protocol === 'UDP' ? [i] : [])),
    [9, 19, 29],
  );
});

test('no address of an endpoint comes twice, and what is stored is what is said', async (t) => {
  const store = new ObjectStore();
  const services = new StoredServices(store, 3);
  await services.growTo(20);
  const all = Array.from({ length: 20 }, (_, i) => services.backends(i)).flat();
  const added = [services.replaceBackends(9), services.replaceBackends(9)];
  t.is(new Set([...all, ...added.flat()]).size, 66);
  t.deepEqual(services.backends(9), added[1]);
  const { namespace = '', name } = sliceObject('UDP', 9, []).metadata;
  const slice = store.get('EndpointSlice', namespace, name) as SliceFields | undefined;
  t.deepEqual(
    slice?.endpoints.flatMap(({ addresses }) => addresses),
    added[1],
  );
  t.is(slice?.ports[0]?.protocol, 'UDP');
  t.throws(() => services.replaceBackends(20), { instanceOf: RangeError });
});

interface SliceFields extends KubeObject {
  readonly endpoints: readonly { readonly addresses: readonly string[] }[];
  readonly ports: readonly { readonly protocol: string }[];
}

test('as many Services as are measured at most have room, beside those with nodePorts', (t) => {
  const most = 100_000;
  const taken = 256;
  t.true(new AddressRange(BENCH_SERVICE_CIDRS.ipv4).size - 1 - taken >= most);
  t.notThrows(() => backendAddress(2 * 3 * most));
  const store = new ObjectStore();
  const objects = INDEXES.flatMap((index) =>
    BACKEND_PLACES.flatMap((place) => nodePortService(index, place, backendOf(index))),
  );
  for (const object of objects) store.create(object);
  const addresses = store
    .list('Service')
    .flatMap(({ spec }) => (spec as { clusterIPs: string[] }).clusterIPs);
  t.is(new Set(addresses).size, 2 * 2 * INDEXES.length);
  // Below those that the API server gives to whoever does not ask.
  t.true(
    addresses.every((ip) => /^10\.96\.0\.|^fd00:10:96::[0-9a-f]{2}$/.test(ip)),
    `${addresses}`,
  );
});

test('nodePorts are one for each node, place and server', (t) => {
  const of = INDEXES.flatMap((index) =>
    BACKEND_PLACES.flatMap((place) => OUTSIDE_SERVERS.map((s) => nodePort(index, place, s))),
  );
  t.is(new Set(of).size, INDEXES.length * 6);
  // None is one that the API server may give to somebody else.
  t.true(Math.min(...of) >= 30_000 && Math.max(...of) < 30_086);
});

test('a Service leads from its nodePorts to where the servers listen, in both families', (t) => {
  const [service, ...slices] = nodePortService(2, 'remote', backendOf(2));
  const spec = service?.spec as { ports: { nodePort: number; protocol: string }[] } | undefined;
  t.deepEqual(
    spec?.ports.map((port) => [port.nodePort, port.protocol]),
    [
      [nodePort(2, 'remote', 'echo'), 'TCP'],
      [nodePort(2, 'remote', 'sink'), 'TCP'],
      [nodePort(2, 'remote', 'datagrams'), 'UDP'],
    ],
  );
  const targets = (slices as unknown as { addressType: string; ports: { port: number }[] }[]).map(
    ({ addressType, ports }) => [addressType, ports[0]?.port],
  );
  t.deepEqual(
    targets,
    ['IPv4', 'IPv6'].flatMap((family) => OUTSIDE_SERVERS.map((s) => [family, targetPort(s)])),
  );
});

test('no address outside belongs to two arms, nor to two ends', (t) => {
  const nodes = INDEXES.map((index) => ({
    index,
    namespace: `node-${index}`,
    server: { ipv4: `10.244.${index}.3`, ipv6: `fd00:10:244:${index}::3` },
  }));
  const namespaces = { outside: 'outside', other: 'other', remote: 'remote' };
  const commands = [...outsideCommands(nodes), ...otherCommands(INDEXES, namespaces)];
  const given = commands.flatMap(
    (command) => /^addr add (\S+)\/(?:24|64) /.exec(command)?.[1] ?? [],
  );
  t.is(given.length, INDEXES.length * 2 * 3);
  t.is(new Set(given).size, given.length);
  const remote = INDEXES.map(remoteAddresses).flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]);
  t.is(new Set(remote).size, remote.length);
  const routed = outsideCommands(nodes).flatMap(
    (line) => /^route add (\S+) /.exec(line)?.[1] ?? [],
  );
  t.is(new Set(routed).size, routed.length, 'each destination is behind one node');
});

test('a proxy is idle once each family has had a pass, and nothing waits for one', (t) => {
  const metrics = ({ ipv4 = 1.5e9, ipv6 = 1.6e9, queued = 1.5e9, pending = 0 } = {}) =>
    [
      `kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="IPv4"} ${ipv4}`,
      `kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="IPv6"} ${ipv6}`,
      `kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds{ip_family="IPv4"} ${queued}`,
      'kubeproxy_sync_proxy_rules_service_changes_pending 0',
      `kubeproxy_sync_proxy_rules_endpoint_changes_pending ${pending}`,
    ].join('\n');
  t.deepEqual(parseProgress(metrics()), {
    queuedAtMs: 1.5e12,
    passedAtMs: 1.6e12,
    isIdle: true,
  });
  t.false(parseProgress(metrics({ ipv4: 0 })).isIdle);
  t.false(parseProgress(metrics({ queued: 1.7e9 })).isIdle);
  t.false(parseProgress(metrics({ pending: 2 })).isIdle);
  t.false(parseProgress('').isIdle);
});

test('a heap is what JavaScript or Go says is in use', (t) => {
  t.is(parseHeapMiB('# HELP x\nnodejs_heap_size_used_bytes 15728640\n'), 15);
  t.is(parseHeapMiB('go_memstats_heap_inuse_bytes 9.437184e+06\n'), 9);
  t.is(parseHeapMiB('process_resident_memory_bytes 1\n'), undefined);
});

function backendOf(index: number) {
  return { ...remoteAddresses(index), nodeName: 'node-90' };
}
