// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import type { Bench, Station } from './station.ts';
import { type Destination, trafficArms } from './traffic-arms.ts';

const TCP: Destination = { kind: 'connection', path: 'clusterIP', family: 'ipv4' };

test('inside, each arm dials from its own client pod: Services where there is a proxy, backends everywhere', (t) => {
  const arms = trafficArms(BENCH, TCP);
  t.deepEqual(
    arms.map(({ name, arm, namespace, cgroup }) => [name, arm, namespace, cgroup]),
    [
      ['direct', 'direct', '/run/netns/client-of-direct', '/cgroup/direct'],
      ['signalbox', 'signalbox', '/run/netns/client-of-signalbox', '/cgroup/signalbox'],
      ['signalbox-past', 'signalbox', '/run/netns/client-of-signalbox', '/cgroup/signalbox'],
    ],
  );
  const backends = ['100.64.0.0', '100.64.1.0'].map((address) => ({ address, port: 8080 }));
  t.deepEqual(arms[0]?.targets, backends);
  t.deepEqual(arms[1]?.targets, [
    { address: '10.96.0.0', port: 80 },
    { address: '10.96.0.1', port: 80 },
  ]);
  t.deepEqual(arms[2]?.targets, backends);
});

test('datagrams go to Services of UDP', (t) => {
  const [direct, service] = trafficArms(BENCH, { ...TCP, kind: 'nextDatagram' });
  t.deepEqual(direct?.targets, [{ address: '100.64.2.0', port: 8080 }]);
  t.deepEqual(service?.targets, [{ address: '10.96.0.2', port: 80 }]);
});

test('what no Service has is refused', (t) => {
  t.throws(() => trafficArms(BENCH, { ...TCP, family: 'ipv6' }), {
    message: /no TCP Service of 3/,
  });
});

test('from outside, each is dialled by the node of its arm, and the server that its kind wants', (t) => {
  const dialled = (destination: Destination) =>
    trafficArms(BENCH, destination).map(({ namespace, cgroup, targets }) => [
      namespace,
      cgroup,
      ...targets.map(({ address }) => address),
    ]);
  const from = ['/run/netns/outside', '/cgroup/outside'];
  t.deepEqual(dialled({ kind: 'stream', path: 'nodePortRemote', family: 'ipv6' }), [
    [...from, 'backend direct remote ipv6 sink'],
    [...from, 'nodePort signalbox remote ipv6 sink'],
    [...from, 'backend signalbox remote ipv6 sink'],
  ]);
  t.deepEqual(
    dialled({ kind: 'firstDatagram', path: 'nodePortLocal', family: 'ipv4' }).map((one) => one[2]),
    [
      'backend direct local ipv4 datagrams',
      'nodePort signalbox local ipv4 datagrams',
      'backend signalbox local ipv4 datagrams',
    ],
  );
});

const told =
  (what: string) =>
  ({ arm }: Station, ...rest: readonly string[]) => ({
    address: [what, arm, ...rest].join(' '),
    port: 1,
  });

const BENCH = {
  stations: ['direct', 'signalbox'].map((arm) => ({
    arm,
    client: { place: { namespace: `client-of-${arm}`, cgroup: `/cgroup/${arm}` } },
    ...(arm === 'signalbox' && { proxy: {} }),
  })),
  services: {
    count: 3,
    protocol: (index: number) => (index === 2 ? 'UDP' : 'TCP'),
    clusterIP: (index: number) => `10.96.0.${index}`,
    backends: (index: number) => [`100.64.${index}.0`],
  },
  outside: {
    namespace: 'outside',
    cgroup: '/cgroup/outside',
    nodePort: told('nodePort'),
    backend: told('backend'),
  },
} as unknown as Bench;
