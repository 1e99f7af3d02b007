// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import { type IpAddress, type IpPrefix, specialUseOf } from '../../../agent/model/address.ts';
import {
  awaitedDevices,
  chooseDevice,
  type DeviceFacts,
  type DeviceRules,
  masqueradeAddresses,
  missingDevices,
  parseDeviceNames,
} from '../../../agent/model/device-choice.ts';

interface Sketch {
  readonly kind?: string;
  readonly framing?: DeviceFacts['framing'];
  /** With the length of their prefixes; `-` before one that no new connection may come from. */
  readonly addresses?: readonly string[];
  readonly hasDefaultRoute?: boolean;
  readonly isUp?: boolean;
  /** Name of another one. */
  readonly master?: string;
}

/** Devices in the kernel's order; `lo` is always there. */
function devices(sketches: Readonly<Record<string, Sketch>>): DeviceFacts[] {
  const all = { lo: { addresses: ['127.0.0.1/8', '::1/128'] }, ...sketches };
  const names = Object.keys(all);
  return Object.entries(all as Record<string, Sketch>).map(([name, sketch]) => ({
    ifindex: names.indexOf(name) + 1,
    name,
    kind: sketch.kind ?? '',
    framing: 'framing' in sketch ? sketch.framing : 'ethernet',
    isLoopback: name === 'lo',
    isUp: sketch.isUp ?? true,
    master: sketch.master === undefined ? 0 : names.indexOf(sketch.master) + 1,
    addresses: (sketch.addresses ?? []).map((text) => {
      const [, minus, address = '', length] = text.match(/^(-?)(.*)\/(\d+)$/) ?? [];
      return {
        address: address as IpAddress,
        prefixLength: Number(length),
        isGlobal: specialUseOf(address as IpAddress) === undefined,
        isPreferred: !minus,
      };
    }),
    hasDefaultRoute: sketch.hasDefaultRoute ?? false,
  }));
}

function rules(changes: Partial<DeviceRules> = {}): DeviceRules {
  return {
    devices: undefined,
    podDevices: [],
    nodeIPs: ['192.0.2.10' as IpAddress],
    clusterCIDRs: ['10.244.0.0/16' as IpPrefix, 'fd00:10:244::/56' as IpPrefix],
    ...changes,
  };
}

/** `outward ethernet`, `pod ip`, or the reason, by name. */
function choices(all: readonly DeviceFacts[], given: DeviceRules): Record<string, string> {
  return Object.fromEntries(
    all
      .filter(({ isLoopback }) => !isLoopback)
      .map((device) => {
        const choice = chooseDevice(device, all, given);
        return [device.name, 'role' in choice ? `${choice.role} ${choice.framing}` : choice.reason];
      }),
  );
}

const UPLINK: Sketch = { addresses: ['192.0.2.10/24', 'fe80::1/64'], hasDefaultRoute: true };
const VETH: Sketch = { kind: 'veth', addresses: ['fe80::2/64'] };

interface Node {
  readonly title: string;
  readonly devices: Readonly<Record<string, Sketch>>;
  readonly rules?: Partial<DeviceRules>;
  readonly chosen: Readonly<Record<string, string>>;
}

const NODES: readonly Node[] = [
  {
    title: 'flannel with VXLAN',
    devices: {
      eth0: UPLINK,
      'flannel.1': { kind: 'vxlan', addresses: ['10.244.1.0/32'] },
      cni0: { kind: 'bridge', addresses: ['10.244.1.1/24'] },
      veth1: { ...VETH, master: 'cni0' },
      docker0: { kind: 'bridge', addresses: ['172.17.0.1/16'] },
    },
    chosen: {
      eth0: 'outward ethernet',
      'flannel.1': 'outward ethernet',
      cni0: 'container bridge',
      veth1: 'part of another device',
      docker0: 'container bridge',
    },
  },
  {
    title: 'flannel host-gw, a second card, one without a use, IPVS left by another proxy',
    devices: {
      eth0: UPLINK,
      eth1: { addresses: ['198.51.100.7/24'] },
      eth2: {},
      cni0: { kind: 'bridge', addresses: ['10.244.1.1/24'] },
      'kube-ipvs0': { kind: 'dummy', addresses: ['10.96.0.1/32'] },
      nodelocaldns: { kind: 'dummy', addresses: ['169.254.20.10/32'] },
    },
    chosen: {
      eth0: 'outward ethernet',
      eth1: 'outward ethernet',
      eth2: 'no address',
      cni0: 'container bridge',
      'kube-ipvs0': 'nothing comes in',
      nodelocaldns: 'nothing comes in',
    },
  },
  {
    title: 'Calico with IPIP; fall-back tunnels that every namespace has',
    devices: {
      ens5: UPLINK,
      tunl0: { kind: 'ipip', framing: 'ip', addresses: ['10.244.7.64/32'] },
      cali1: VETH,
      cali2: { kind: 'veth' },
      'vxlan.calico': { kind: 'vxlan' },
      'wireguard.cali': { kind: 'wireguard', framing: 'ip', addresses: ['10.244.7.65/32'] },
      gre0: { kind: 'gre', framing: 'ip', isUp: false },
      gretap0: { kind: 'gretap', isUp: false },
      sit0: { kind: 'sit', framing: 'ip', isUp: false },
    },
    chosen: {
      ens5: 'outward ethernet',
      tunl0: 'outward ip',
      cali1: 'pod side',
      cali2: 'pod side',
      'vxlan.calico': 'outward ethernet',
      'wireguard.cali': 'outward ip',
      gre0: 'down',
      gretap0: 'down',
      sit0: 'down',
    },
  },
  {
    title: 'kindnet or ptp: each pod’s device has the gateway; the node is a container itself',
    devices: {
      eth0: { ...UPLINK, kind: 'veth' },
      veth1: { kind: 'veth', addresses: ['10.244.0.1/32', 'fd00:10:244::1/128'] },
      veth2: { kind: 'veth', addresses: ['10.244.0.1/24'] },
    },
    chosen: { eth0: 'outward ethernet', veth1: 'pod side', veth2: 'pod side' },
  },
  {
    title:
      'a container with two networks: one by its address alone, one by the node IP in a host prefix',
    devices: {
      eth0: { kind: 'veth', hasDefaultRoute: true },
      eth1: { kind: 'veth', addresses: ['198.51.100.3/24'] },
      eth2: { kind: 'veth', addresses: ['192.0.2.10/32'] },
    },
    chosen: { eth0: 'outward ethernet', eth1: 'outward ethernet', eth2: 'outward ethernet' },
  },
  {
    title: 'Cilium',
    devices: {
      ens3: UPLINK,
      cilium_net: VETH,
      cilium_host: { kind: 'veth', addresses: ['10.244.2.9/32'] },
      cilium_vxlan: { kind: 'vxlan' },
      lxc1: VETH,
      lxc2: { kind: 'netkit' },
    },
    chosen: {
      ens3: 'outward ethernet',
      cilium_net: 'pod side',
      cilium_host: 'pod side',
      cilium_vxlan: 'outward ethernet',
      lxc1: 'pod side',
      lxc2: 'pod side',
    },
  },
  {
    title: 'bond with VLANs',
    devices: {
      bond0: { kind: 'bond' },
      eno1: { master: 'bond0' },
      eno2: { master: 'bond0' },
      'bond0.10': { ...UPLINK, kind: 'vlan' },
      'bond0.20': { kind: 'vlan', addresses: ['2001:db8::5/64'] },
      'bond0.30': { kind: 'vlan', addresses: ['fe80::3/64'] },
    },
    chosen: {
      bond0: 'no address',
      eno1: 'part of another device',
      eno2: 'part of another device',
      'bond0.10': 'outward ethernet',
      'bond0.20': 'outward ethernet',
      'bond0.30': 'no address',
    },
  },
  {
    title: 'OpenStack br-ex, OVN',
    devices: {
      'ovs-system': { kind: 'openvswitch' },
      ens3: { master: 'ovs-system' },
      'br-ex': { ...UPLINK, kind: 'openvswitch' },
      'br-int': { kind: 'openvswitch' },
      'ovn-k8s-mp0': { kind: 'openvswitch', addresses: ['10.244.0.2/24'] },
      genev_sys_6081: { kind: 'geneve', master: 'ovs-system' },
    },
    chosen: {
      'ovs-system': 'container bridge',
      ens3: 'part of another device',
      'br-ex': 'outward ethernet',
      'br-int': 'container bridge',
      'ovn-k8s-mp0': 'container bridge',
      genev_sys_6081: 'part of another device',
    },
  },
  {
    title: 'a Linux bridge with the node IP, virtual machines beside it',
    devices: {
      br0: { kind: 'bridge', addresses: ['192.0.2.10/24'] },
      eth0: { master: 'br0' },
      vnet0: { kind: 'tun', master: 'br0' },
      tap1: { kind: 'tun' },
      virbr0: { kind: 'bridge', addresses: ['192.168.122.1/24'] },
    },
    chosen: {
      br0: 'outward ethernet',
      eth0: 'part of another device',
      vnet0: 'part of another device',
      tap1: 'pod side',
      virbr0: 'container bridge',
    },
  },
  {
    title: 'a VRF, InfiniBand, VPNs',
    devices: {
      eth0: UPLINK,
      mgmt: { kind: 'vrf', addresses: ['192.0.2.99/32'] },
      eth1: { addresses: ['198.51.100.7/24'], master: 'mgmt' },
      ib0: { framing: undefined, addresses: ['198.51.100.8/24'] },
      tailscale0: { kind: 'tun', framing: 'ip', addresses: ['100.64.0.1/32'] },
      wg0: { kind: 'wireguard', framing: 'ip' },
      wg1: { kind: 'wireguard', framing: 'ip', isUp: false, addresses: ['192.0.2.10/24'] },
      ifb0: { kind: 'ifb' },
    },
    chosen: {
      eth0: 'outward ethernet',
      mgmt: 'nothing comes in',
      eth1: 'outward ethernet',
      ib0: 'unknown framing',
      tailscale0: 'outward ip',
      wg0: 'outward ip',
      wg1: 'outward ip',
      ifb0: 'nothing comes in',
    },
  },
  {
    title: 'named devices replace the rules',
    devices: {
      eth0: UPLINK,
      eth1: {},
      bond0: { addresses: ['198.51.100.7/24'] },
      br1: { kind: 'bridge' },
      ib0: { framing: undefined },
    },
    rules: { devices: ['eth1', 'br*', 'ib0', 'lo'] },
    chosen: {
      eth0: 'not named',
      eth1: 'outward ethernet',
      bond0: 'not named',
      br1: 'outward ethernet',
      ib0: 'unknown framing',
    },
  },
  {
    title: 'no device at all',
    devices: { eth0: UPLINK, veth1: VETH },
    rules: { devices: [] },
    chosen: { eth0: 'not named', veth1: 'not named' },
  },
  {
    title: 'pods’ devices, which stay theirs when others are named too',
    devices: {
      eth0: UPLINK,
      veth1: { ...VETH, master: 'cni0' },
      cali1: VETH,
      cni0: { kind: 'bridge' },
    },
    rules: { podDevices: ['veth*', 'cali1'], devices: ['*'] },
    chosen: {
      eth0: 'outward ethernet',
      veth1: 'pod ethernet',
      cali1: 'pod ethernet',
      cni0: 'outward ethernet',
    },
  },
];

for (const { title, devices: sketches, rules: changes, chosen } of NODES) {
  test(title, (t) => {
    t.deepEqual(choices(devices(sketches), rules(changes)), chosen);
  });
}

test('loopback is never served, named or not', (t) => {
  const all = devices({});
  for (const given of [rules(), rules({ devices: ['*'] }), rules({ podDevices: ['lo'] })]) {
    t.deepEqual(chooseDevice(all[0] as DeviceFacts, all, given), { reason: 'loopback' });
  }
});

test('names that no device has are told, beginnings of names are not', (t) => {
  const given = rules({ devices: ['eth0', 'eth9', 'bond*'], podDevices: ['cali*', 'tap7'] });
  t.deepEqual(missingDevices(devices({ eth0: UPLINK }), given), ['eth9']);
  t.deepEqual(awaitedDevices(devices({ eth0: UPLINK }), given), ['tap7']);
  t.deepEqual(missingDevices(devices({ eth0: UPLINK }), rules()), []);
});

test('what packets are masqueraded with', (t) => {
  const all = devices({
    eth0: {
      addresses: [
        '192.0.2.9/24',
        '192.0.2.10/24',
        '-2001:db8::9/64',
        '2001:db8::8/64',
        'fe80::1/64',
      ],
    },
    eth1: { addresses: ['-198.51.100.6/24', '198.51.100.7/24'] },
    cni0: { kind: 'bridge', addresses: ['10.244.1.1/24'] },
    wg0: { kind: 'wireguard', framing: 'ip' },
    veth1: VETH,
  });
  const of = (name: string, given = rules()) => {
    const device = all.find((one) => one.name === name) as DeviceFacts;
    return masqueradeAddresses(device, chooseDevice(device, all, given), all, given);
  };
  t.deepEqual(of('eth0'), ['192.0.2.10', '2001:db8::8'], 'the node IP comes first');
  t.deepEqual(
    of('eth1'),
    ['198.51.100.7', '2001:db8::8'],
    'its own, and where it has none another’s',
  );
  t.deepEqual(of('wg0'), ['192.0.2.10', '2001:db8::8']);
  t.deepEqual(of('cni0'), ['10.244.1.1'], 'not served: only what it has');
  t.deepEqual(of('veth1'), []);
  t.deepEqual(of('veth1', rules({ podDevices: ['veth*'] })), []);
  t.deepEqual(of('eth0', rules({ nodeIPs: [] })), ['192.0.2.9', '2001:db8::8']);
});

test('lists of names', (t) => {
  t.deepEqual(parseDeviceNames('eth0, bond*,, br-ex'), ['eth0', 'bond*', 'br-ex']);
  t.deepEqual(parseDeviceNames(''), []);
  for (const wrong of ['e*0', 'a name', 'a/b', 'sixteen-letters-', '**']) {
    t.deepEqual(parseDeviceNames(`eth0,${wrong}`), {
      invalid: `${wrong} is no name of a device, as eth0, nor the beginning of one, as veth*`,
    });
  }
});
