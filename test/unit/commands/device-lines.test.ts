// SPDX-License-Identifier: Apache-2.0
// How `status` tells of devices.

import test from 'ava';
import {
  type DeviceState,
  deviceLines,
  deviceProblems,
} from '../../../agent/commands/device-lines.ts';
import type { DeviceStatus } from '../../../agent/telemetry/status.ts';

const ETH0: DeviceState = {
  ifindex: 2,
  name: 'eth0',
  attached: 'tcx',
  ingress: 11,
  egress: 12,
  isOfPod: false,
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
};
const VETH: DeviceState = {
  ifindex: 5,
  name: 'veth1',
  attached: 'clsact',
  ingress: 11,
  egress: 12,
  isOfPod: true,
};

const served = (ifindex: number, name: string, changes: Partial<DeviceStatus> = {}) => ({
  ifindex,
  name,
  role: 'outward' as const,
  framing: 'ethernet' as const,
  attached: 'tcx' as const,
  masqueradeAddresses: [],
  ...changes,
});
const left = (ifindex: number, name: string, reason: string): DeviceStatus => ({
  ifindex,
  name,
  reason,
  masqueradeAddresses: [],
});

test('with an agent', (t) => {
  const agent: DeviceStatus[] = [
    left(1, 'lo', 'loopback'),
    served(2, 'eth0'),
    served(3, 'eth1', { problem: 'cannot attach' }),
    served(5, 'veth1', { role: 'pod' }),
    served(6, 'wg0', { framing: 'ip' }),
    left(7, 'docker0', 'container bridge'),
    ...Array.from({ length: 12 }, (_, i) => left(10 + i, `cali${i}`, 'pod side')),
  ];
  t.deepEqual(deviceLines([ETH0, VETH], agent), [
    'eth0: outward, Ethernet, tcx, masquerades as 192.0.2.1 and 2001:db8::1',
    'eth1: not served: cannot attach',
    'veth1: of a pod, Ethernet, clsact, no address to masquerade as',
    'wg0: outward, IP, no programs, no address to masquerade as',
    'not docker0: a bridge without default route and node IP',
    'not cali0, cali1, cali2, cali3, cali4, cali5, cali6, cali7, 4 others: ' +
      'a pod’s or virtual machine’s (--pod-devices would serve it)',
  ]);
});

test('without an agent: what the kernel has', (t) => {
  t.deepEqual(deviceLines([ETH0, VETH], undefined), [
    'eth0: outward, tcx, masquerades as 192.0.2.1 and 2001:db8::1',
    'veth1: of a pod, clsact, no address to masquerade as',
  ]);
});

test('what is not as it should be', (t) => {
  t.deepEqual(deviceProblems([ETH0, VETH], [served(2, 'eth0')]), []);
  t.deepEqual(deviceProblems([{ ...ETH0, ingress: 0 }], undefined), [
    'no ingress program is on device eth0',
  ]);
  t.deepEqual(
    deviceProblems(
      [ETH0],
      [served(2, 'eth0'), served(3, 'eth1'), served(4, 'eth2', { problem: 'told already' })],
    ),
    ['no program is on device eth1'],
  );
});
