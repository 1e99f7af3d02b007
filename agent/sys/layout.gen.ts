// SPDX-License-Identifier: Apache-2.0
// GENERATED from the BTF of bpf/build by `npm run generate`. Do not edit: change bpf/abi.h or bpf/maps.bpf.h.

import { type IpAddress, readAddress, writeAddress } from '../model/address.ts';
import { type Codec, type MapSpec, readBytes, readName, u32, writeBytes, writeName } from './codec.ts';

export const FrontendScope = {
  AT_ADDRESS: 0,
  AT_NODE: 1,
  AT_OTHER_PORTS: 2,
} as const;
export type FrontendScope = (typeof FrontendScope)[keyof typeof FrontendScope];

export interface FrontendKey {
  readonly address: IpAddress;
  readonly port: number;
  readonly protocol: number;
  readonly scope: FrontendScope;
}

export const frontendKey: Codec<FrontendKey> = {
  size: 24,
  write(view, at, value) {
    writeAddress(view, at, value.address);
    view.setUint16(at + 16, value.port);
    view.setUint8(at + 18, value.protocol);
    view.setUint32(at + 20, value.scope, true);
  },
  read: (view, at) => ({
    address: readAddress(view, at),
    port: view.getUint16(at + 16),
    protocol: view.getUint8(at + 18),
    scope: view.getUint32(at + 20, true) as FrontendScope,
  }),
};

export const FrontendKind = {
  CLUSTER_IP: 1,
  EXTERNAL_IP: 2,
  LOAD_BALANCER: 3,
  NODE_PORT: 4,
  OTHER_PORTS: 5,
} as const;
export type FrontendKind = (typeof FrontendKind)[keyof typeof FrontendKind];

export const FrontendFlags = {
  DROPS_INSIDE: 1,
  DROPS_OUTSIDE: 2,
  LOCAL_INSIDE: 4,
  LOCAL_OUTSIDE: 8,
  RESTRICTED: 16,
} as const;
export type FrontendFlags = number;

export interface SlotRun {
  readonly first: number;
  readonly count: number;
}

export const slotRun: Codec<SlotRun> = {
  size: 8,
  write(view, at, value) {
    view.setUint32(at, value.first, true);
    view.setUint32(at + 4, value.count, true);
  },
  read: (view, at) => ({
    first: view.getUint32(at, true),
    count: view.getUint32(at + 4, true),
  }),
};

export interface FrontendValue {
  readonly servicePortId: number;
  readonly kind: FrontendKind;
  readonly flags: FrontendFlags;
  readonly affinityTimeoutSeconds: number;
  readonly inside: SlotRun;
  readonly outside: SlotRun;
}

export const frontendValue: Codec<FrontendValue> = {
  size: 32,
  write(view, at, value) {
    view.setUint32(at, value.servicePortId, true);
    view.setUint32(at + 4, value.kind, true);
    view.setUint32(at + 8, value.flags, true);
    view.setUint32(at + 12, value.affinityTimeoutSeconds, true);
    slotRun.write(view, at + 16, value.inside);
    slotRun.write(view, at + 24, value.outside);
  },
  read: (view, at) => ({
    servicePortId: view.getUint32(at, true),
    kind: view.getUint32(at + 4, true) as FrontendKind,
    flags: view.getUint32(at + 8, true) as FrontendFlags,
    affinityTimeoutSeconds: view.getUint32(at + 12, true),
    inside: slotRun.read(view, at + 16),
    outside: slotRun.read(view, at + 24),
  }),
};

export interface IpPort {
  readonly address: IpAddress;
  readonly port: number;
}

export const ipPort: Codec<IpPort> = {
  size: 20,
  write(view, at, value) {
    writeAddress(view, at, value.address);
    view.setUint16(at + 16, value.port);
  },
  read: (view, at) => ({
    address: readAddress(view, at),
    port: view.getUint16(at + 16),
  }),
};

export interface MemberKey {
  readonly servicePortId: number;
  readonly backend: IpPort;
}

export const memberKey: Codec<MemberKey> = {
  size: 24,
  write(view, at, value) {
    view.setUint32(at, value.servicePortId, true);
    ipPort.write(view, at + 4, value.backend);
  },
  read: (view, at) => ({
    servicePortId: view.getUint32(at, true),
    backend: ipPort.read(view, at + 4),
  }),
};

export const MemberFlags = {
  IN_CLUSTER: 1,
  IN_LOCAL: 2,
} as const;
export type MemberFlags = number;

export interface MemberValue {
  readonly flags: MemberFlags;
}

export const memberValue: Codec<MemberValue> = {
  size: 4,
  write(view, at, value) {
    view.setUint32(at, value.flags, true);
  },
  read: (view, at) => ({
    flags: view.getUint32(at, true) as MemberFlags,
  }),
};

export interface SourceRangeKey {
  readonly bits: number;
  readonly servicePortId: number;
  readonly address: IpAddress;
}

export const sourceRangeKey: Codec<SourceRangeKey> = {
  size: 24,
  write(view, at, value) {
    view.setUint32(at, value.bits, true);
    view.setUint32(at + 4, value.servicePortId, true);
    writeAddress(view, at + 8, value.address);
  },
  read: (view, at) => ({
    bits: view.getUint32(at, true),
    servicePortId: view.getUint32(at + 4, true),
    address: readAddress(view, at + 8),
  }),
};

export interface Presence {
  readonly present: number;
}

export const presence: Codec<Presence> = {
  size: 4,
  write(view, at, value) {
    view.setUint32(at, value.present, true);
  },
  read: (view, at) => ({
    present: view.getUint32(at, true),
  }),
};

export interface NodePortAddress {
  readonly address: IpAddress;
}

export const nodePortAddress: Codec<NodePortAddress> = {
  size: 16,
  write(view, at, value) {
    writeAddress(view, at, value.address);
  },
  read: (view, at) => ({
    address: readAddress(view, at),
  }),
};

export interface IpPrefix {
  readonly bits: number;
  readonly address: IpAddress;
}

export const ipPrefix: Codec<IpPrefix> = {
  size: 20,
  write(view, at, value) {
    view.setUint32(at, value.bits, true);
    writeAddress(view, at + 4, value.address);
  },
  read: (view, at) => ({
    bits: view.getUint32(at, true),
    address: readAddress(view, at + 4),
  }),
};

export const NodeFlags = {
  LOOPBACK_NODE_PORTS: 1,
} as const;
export type NodeFlags = number;

export interface Node {
  readonly netnsCookie: bigint;
  readonly flags: NodeFlags;
  readonly ipv4: IpAddress;
  readonly ipv6: IpAddress;
}

export const node: Codec<Node> = {
  size: 48,
  write(view, at, value) {
    view.setBigUint64(at, value.netnsCookie, true);
    view.setUint32(at + 8, value.flags, true);
    writeAddress(view, at + 12, value.ipv4);
    writeAddress(view, at + 28, value.ipv6);
  },
  read: (view, at) => ({
    netnsCookie: view.getBigUint64(at, true),
    flags: view.getUint32(at + 8, true) as NodeFlags,
    ipv4: readAddress(view, at + 12),
    ipv6: readAddress(view, at + 28),
  }),
};

export interface AffinityKey {
  readonly netnsCookie: bigint;
  readonly source: IpAddress;
  readonly servicePortId: number;
}

export const affinityKey: Codec<AffinityKey> = {
  size: 32,
  write(view, at, value) {
    view.setBigUint64(at, value.netnsCookie, true);
    writeAddress(view, at + 8, value.source);
    view.setUint32(at + 24, value.servicePortId, true);
  },
  read: (view, at) => ({
    netnsCookie: view.getBigUint64(at, true),
    source: readAddress(view, at + 8),
    servicePortId: view.getUint32(at + 24, true),
  }),
};

export interface AffinityValue {
  readonly lastUsedNs: bigint;
  readonly backend: IpPort;
}

export const affinityValue: Codec<AffinityValue> = {
  size: 32,
  write(view, at, value) {
    view.setBigUint64(at, value.lastUsedNs, true);
    ipPort.write(view, at + 8, value.backend);
  },
  read: (view, at) => ({
    lastUsedNs: view.getBigUint64(at, true),
    backend: ipPort.read(view, at + 8),
  }),
};

export interface ServicePortName {
  readonly namespaceName: string;
  readonly serviceName: string;
  readonly portName: string;
  readonly protocol: number;
}

export const servicePortName: Codec<ServicePortName> = {
  size: 196,
  write(view, at, value) {
    writeName(view, at, 64, value.namespaceName);
    writeName(view, at + 64, 64, value.serviceName);
    writeName(view, at + 128, 64, value.portName);
    view.setUint32(at + 192, value.protocol, true);
  },
  read: (view, at) => ({
    namespaceName: readName(view, at, 64),
    serviceName: readName(view, at + 64, 64),
    portName: readName(view, at + 128, 64),
    protocol: view.getUint32(at + 192, true),
  }),
};

export interface SocketService {
  readonly service: IpPort;
  readonly backend: IpPort;
  readonly servicePortId: number;
}

export const socketService: Codec<SocketService> = {
  size: 44,
  write(view, at, value) {
    ipPort.write(view, at, value.service);
    ipPort.write(view, at + 20, value.backend);
    view.setUint32(at + 40, value.servicePortId, true);
  },
  read: (view, at) => ({
    service: ipPort.read(view, at),
    backend: ipPort.read(view, at + 20),
    servicePortId: view.getUint32(at + 40, true),
  }),
};

export interface UdpPeerKey {
  readonly socketCookie: bigint;
  readonly peer: IpPort;
}

export const udpPeerKey: Codec<UdpPeerKey> = {
  size: 32,
  write(view, at, value) {
    view.setBigUint64(at, value.socketCookie, true);
    ipPort.write(view, at + 8, value.peer);
  },
  read: (view, at) => ({
    socketCookie: view.getBigUint64(at, true),
    peer: ipPort.read(view, at + 8),
  }),
};

export interface UdpBackend {
  readonly lastUsedNs: bigint;
  readonly backend: IpPort;
  readonly servicePortId: number;
}

export const udpBackend: Codec<UdpBackend> = {
  size: 32,
  write(view, at, value) {
    view.setBigUint64(at, value.lastUsedNs, true);
    ipPort.write(view, at + 8, value.backend);
    view.setUint32(at + 28, value.servicePortId, true);
  },
  read: (view, at) => ({
    lastUsedNs: view.getBigUint64(at, true),
    backend: ipPort.read(view, at + 8),
    servicePortId: view.getUint32(at + 28, true),
  }),
};

export interface StaleSocket {
  readonly cookie: bigint;
  readonly netnsInode: number;
  readonly request: Uint8Array;
}

export const staleSocket: Codec<StaleSocket> = {
  size: 72,
  write(view, at, value) {
    view.setBigUint64(at, value.cookie, true);
    view.setUint32(at + 8, value.netnsInode, true);
    writeBytes(view, at + 16, 56, value.request);
  },
  read: (view, at) => ({
    cookie: view.getBigUint64(at, true),
    netnsInode: view.getUint32(at + 8, true),
    request: readBytes(view, at + 16, 56),
  }),
};

export const MAPS = {
  frontends: { name: 'frontends', type: 1, flags: 1, maxEntries: 131072, key: frontendKey, value: frontendValue, layoutHash: 'b5bb375b' } satisfies MapSpec<FrontendKey, FrontendValue>,
  slots: { name: 'slots', type: 12, flags: 0, maxEntries: 1, key: u32, value: u32, layoutHash: 'a051481c', inner: { name: 'slot_array', type: 2, flags: 4096, maxEntries: 1, key: u32, value: ipPort, layoutHash: '3954239c' } satisfies MapSpec<number, IpPort> } satisfies MapSpec<number, number> & { inner: unknown },
  members: { name: 'members', type: 1, flags: 1, maxEntries: 131072, key: memberKey, value: memberValue, layoutHash: '9db23d54' } satisfies MapSpec<MemberKey, MemberValue>,
  sourceRanges: { name: 'source_ranges', type: 11, flags: 1, maxEntries: 131072, key: sourceRangeKey, value: presence, layoutHash: '4a59c318' } satisfies MapSpec<SourceRangeKey, Presence>,
  nodePortAddresses: { name: 'node_port_addresses', type: 1, flags: 1, maxEntries: 4096, key: nodePortAddress, value: presence, layoutHash: '52a74f18' } satisfies MapSpec<NodePortAddress, Presence>,
  serviceCidrs: { name: 'service_cidrs', type: 11, flags: 1, maxEntries: 131072, key: ipPrefix, value: presence, layoutHash: '329080d3' } satisfies MapSpec<IpPrefix, Presence>,
  nodes: { name: 'nodes', type: 2, flags: 0, maxEntries: 1, key: u32, value: node, layoutHash: 'a9f497a0' } satisfies MapSpec<number, Node>,
  affinities: { name: 'affinities', type: 9, flags: 0, maxEntries: 16384, key: affinityKey, value: affinityValue, layoutHash: '78ea9076' } satisfies MapSpec<AffinityKey, AffinityValue>,
  servicePorts: { name: 'service_ports', type: 1, flags: 1, maxEntries: 131072, key: u32, value: servicePortName, layoutHash: 'c0bb325a' } satisfies MapSpec<number, ServicePortName>,
  socketServices: { name: 'socket_services', type: 24, flags: 1, maxEntries: 0, key: u32, value: socketService, layoutHash: '245dbb75' } satisfies MapSpec<number, SocketService>,
  udpBackends: { name: 'udp_backends', type: 9, flags: 0, maxEntries: 16384, key: udpPeerKey, value: udpBackend, layoutHash: '298c464f' } satisfies MapSpec<UdpPeerKey, UdpBackend>,
  udpServices: { name: 'udp_services', type: 9, flags: 0, maxEntries: 16384, key: udpPeerKey, value: ipPort, layoutHash: 'b1d0d096' } satisfies MapSpec<UdpPeerKey, IpPort>,
} as const;
