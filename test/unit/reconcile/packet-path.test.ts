// SPDX-License-Identifier: Apache-2.0
// In which order devices get and lose their programs and what these are told of them, and what one device
// that refuses does to the others.

import test from 'ava';
import type { IpAddress } from '../../../agent/model/address.ts';
import type { DeviceFacts } from '../../../agent/model/device-choice.ts';
import {
  type DevicePrograms,
  type PacketPathReport,
  reconcilePacketPath,
  withoutGone,
} from '../../../agent/reconcile/packet-path.ts';
import { type Device, DeviceFlags, MAPS } from '../../../agent/sys/layout.gen.ts';
import type { TcMechanism } from '../../../agent/sys/packet-programs.ts';
import { FakeTable } from '../../helpers/fake-tables.ts';

const device = (ifindex: number, name: string, address?: string): DeviceFacts => ({
  ifindex,
  name,
  kind: '',
  framing: 'ethernet',
  isLoopback: false,
  isUp: true,
  master: 0,
  addresses: address
    ? [{ address: address as IpAddress, prefixLength: 24, isGlobal: true, isPreferred: true }]
    : [],
  hasDefaultRoute: false,
});

const { SERVED } = DeviceFlags;
const entry = (ipv4: string, flags: number = SERVED): Device => ({
  flags,
  ipv4: ipv4 as IpAddress,
  ipv6: '::' as IpAddress,
});

/** The kernel: a table, and devices that may refuse. */
class Kernel implements DevicePrograms {
  readonly table = new FakeTable('devices', MAPS.devices);
  readonly attached = new Map<number, TcMechanism>();
  /** What was done, with what the programs were told of at that time. */
  readonly done: string[] = [];
  refusing = new Set<string>();

  attach({ ifindex, name }: DeviceFacts): TcMechanism {
    this.#note(`attach ${name}`);
    if (this.refusing.has(name)) throw new Error(`${name} is busy`);
    this.attached.set(ifindex, 'tcx');
    return 'tcx';
  }

  detachOthers(kept: ReadonlyMap<number, TcMechanism | 'either'>): void {
    this.#note('detach');
    for (const ifindex of this.attached.keys()) {
      if (!kept.has(ifindex)) this.attached.delete(ifindex);
    }
  }

  known(): Record<number, Device> {
    return Object.fromEntries(this.table.entries());
  }

  look(devices: readonly DeviceFacts[], podDevices: readonly string[] = []): PacketPathReport {
    this.done.length = 0;
    const rules = { devices: undefined, podDevices, nodeIPs: [], clusterCIDRs: [] };
    const work = reconcilePacketPath(devices, rules, this.table, this);
    for (;;) {
      const { done, value } = work.next();
      if (done) return value;
    }
  }

  #note(what: string): void {
    this.done.push(`${what}, knowing ${Object.keys(this.known())}`);
  }
}

test('programs know a device before they are on it, and until they are off', (t) => {
  const kernel = new Kernel();
  kernel.look([device(2, 'eth0', '192.0.2.1'), device(3, 'eth1', '192.0.2.2')]);
  t.deepEqual(kernel.done, [
    'attach eth0, knowing 2,3',
    'attach eth1, knowing 2,3',
    'detach, knowing 2,3',
  ]);
  kernel.look([device(2, 'eth0', '192.0.2.1'), device(4, 'eth2', '192.0.2.3')]);
  t.deepEqual(kernel.done, [
    'attach eth0, knowing 2,3,4',
    'attach eth2, knowing 2,3,4',
    'detach, knowing 2,3,4',
  ]);
  t.deepEqual([...kernel.attached.keys()], [2, 4]);
  t.deepEqual(kernel.known(), { 2: entry('192.0.2.1'), 4: entry('192.0.2.3') });
});

test('an address that changes, a device that becomes a pod’s', (t) => {
  const kernel = new Kernel();
  kernel.look([device(2, 'eth0', '192.0.2.1')]);
  kernel.look([device(2, 'eth0', '192.0.2.9')]);
  t.deepEqual(kernel.known(), { 2: entry('192.0.2.9') });
  kernel.look([device(2, 'eth0', '192.0.2.9')], ['eth*']);
  t.deepEqual(kernel.known(), { 2: entry('192.0.2.9', SERVED | DeviceFlags.OF_POD) });
  kernel.look([device(2, 'eth0')], ['eth*']);
  t.deepEqual(kernel.known(), { 2: entry('0.0.0.0', SERVED | DeviceFlags.OF_POD) });
  kernel.look([device(2, 'eth0')]);
  t.deepEqual(kernel.known(), {});
  t.deepEqual([...kernel.attached], []);
});

test('a device that refuses is named, keeps what it had, and does not keep the others', (t) => {
  const kernel = new Kernel();
  const devices = [device(2, 'eth0', '192.0.2.1'), device(3, 'eth1', '192.0.2.2')];
  kernel.attached.set(2, 'tcx');
  kernel.refusing.add('eth0');
  const report = kernel.look(devices);
  t.deepEqual(
    report.devices.map(({ name, attached, problem }) => [name, attached ?? problem]),
    [
      ['eth0', 'eth0 is busy'],
      ['eth1', 'tcx'],
    ],
  );
  t.deepEqual([...kernel.attached.keys()], [2, 3]);
  kernel.refusing.clear();
  t.deepEqual(
    kernel.look(devices).devices.map(({ attached }) => attached),
    ['tcx', 'tcx'],
  );
});

test('a device that refuses because it has gone is no problem', (t) => {
  const kernel = new Kernel();
  const devices = [device(2, 'eth0', '192.0.2.1'), device(3, 'pod0'), device(4, 'pod1')];
  for (const { name } of devices) kernel.refusing.add(name);
  const report = kernel.look(devices, ['pod*']);
  t.deepEqual(
    withoutGone(report, devices.slice(0, 2)).devices.map(({ name, problem }) => [name, problem]),
    [
      ['eth0', 'eth0 is busy'],
      ['pod0', 'pod0 is busy'],
    ],
  );
  kernel.refusing.clear();
  const served = kernel.look(devices, ['pod*']);
  t.deepEqual(withoutGone(served, []), served, 'the next look tells of those that were served');
});

test('a table that is full is told, and the programs are attached all the same', (t) => {
  const kernel = new Kernel();
  const full = new FakeTable('devices', MAPS.devices, undefined, 1);
  Object.assign(kernel, { table: full });
  const devices = [1, 2, 3].map((i) => device(i, `eth${i}`, `192.0.2.${i}`));
  const { problems } = kernel.look(devices);
  t.is(problems.length, 1);
  t.deepEqual([...kernel.attached.keys()], [1, 2, 3]);
});
