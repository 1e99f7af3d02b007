// SPDX-License-Identifier: Apache-2.0
// GENERATED from the BTF of bpf/build by `npm run generate`. Do not edit: change bpf/abi.h or bpf/maps.bpf.h.

import { type IpAddress, readAddress, writeAddress } from '../model/address.ts';
import { type Codec, type MapSpec, readBytes, readName, u32, writeBytes, writeName } from './codec.ts';

export const FrontendScope = {
  AT_ADDRESS: 0,
  AT_NODE: 1,
  AT_OTHER_PORTS: 2,
  AT_ECHO: 3,
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
  ECHO: 6,
} as const;
export type FrontendKind = (typeof FrontendKind)[keyof typeof FrontendKind];

export const FrontendFlags = {
  DROPS_INSIDE: 1,
  DROPS_OUTSIDE: 2,
  LOCAL_INSIDE: 4,
  LOCAL_OUTSIDE: 8,
  RESTRICTED: 16,
  MAGLEV: 32,
  FORGETS: 64,
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
  ON_NODE: 4,
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

export interface ServedNetworks {
  readonly bits: bigint;
}

export const servedNetworks: Codec<ServedNetworks> = {
  size: 8,
  write(view, at, value) {
    view.setBigUint64(at, value.bits, true);
  },
  read: (view, at) => ({
    bits: view.getBigUint64(at, true),
  }),
};

export const NodeFlags = {
  LOOPBACK_NODE_PORTS: 1,
  BESIDE: 2,
  DRAINING: 4,
  HANDED_OVER: 8,
  CARRYING: 16,
} as const;
export type NodeFlags = number;

export interface Node {
  readonly netnsCookie: bigint;
  readonly flags: NodeFlags;
  readonly ipv4: IpAddress;
  readonly ipv6: IpAddress;
  readonly masqueradeFirstPort: number;
  readonly masqueradePortCount: number;
}

export const node: Codec<Node> = {
  size: 48,
  write(view, at, value) {
    view.setBigUint64(at, value.netnsCookie, true);
    view.setUint32(at + 8, value.flags, true);
    writeAddress(view, at + 12, value.ipv4);
    writeAddress(view, at + 28, value.ipv6);
    view.setUint16(at + 44, value.masqueradeFirstPort, true);
    view.setUint16(at + 46, value.masqueradePortCount, true);
  },
  read: (view, at) => ({
    netnsCookie: view.getBigUint64(at, true),
    flags: view.getUint32(at + 8, true) as NodeFlags,
    ipv4: readAddress(view, at + 12),
    ipv6: readAddress(view, at + 28),
    masqueradeFirstPort: view.getUint16(at + 44, true),
    masqueradePortCount: view.getUint16(at + 46, true),
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
  size: 190,
  write(view, at, value) {
    writeName(view, at, 63, value.namespaceName);
    writeName(view, at + 63, 63, value.serviceName);
    writeName(view, at + 126, 63, value.portName);
    view.setUint8(at + 189, value.protocol);
  },
  read: (view, at) => ({
    namespaceName: readName(view, at, 63),
    serviceName: readName(view, at + 63, 63),
    portName: readName(view, at + 126, 63),
    protocol: view.getUint8(at + 189),
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

export interface Dial {
  readonly cookie: bigint;
  readonly socket: bigint;
  readonly service: IpPort;
  readonly backend: IpPort;
  readonly servicePortId: number;
  readonly lastUsed: number;
  readonly hasOthers: number;
}

export const dial: Codec<Dial> = {
  size: 64,
  write(view, at, value) {
    view.setBigUint64(at, value.cookie, true);
    view.setBigUint64(at + 8, value.socket, true);
    ipPort.write(view, at + 16, value.service);
    ipPort.write(view, at + 36, value.backend);
    view.setUint32(at + 56, value.servicePortId, true);
    view.setUint16(at + 60, value.lastUsed, true);
    view.setUint16(at + 62, value.hasOthers, true);
  },
  read: (view, at) => ({
    cookie: view.getBigUint64(at, true),
    socket: view.getBigUint64(at + 8, true),
    service: ipPort.read(view, at + 16),
    backend: ipPort.read(view, at + 36),
    servicePortId: view.getUint32(at + 56, true),
    lastUsed: view.getUint16(at + 60, true),
    hasOthers: view.getUint16(at + 62, true),
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

export const DeviceFlags = {
  OF_POD: 1,
  SERVED: 2,
} as const;
export type DeviceFlags = number;

export interface Device {
  readonly flags: DeviceFlags;
  readonly ipv4: IpAddress;
  readonly ipv6: IpAddress;
}

export const device: Codec<Device> = {
  size: 36,
  write(view, at, value) {
    view.setUint32(at, value.flags, true);
    writeAddress(view, at + 4, value.ipv4);
    writeAddress(view, at + 20, value.ipv6);
  },
  read: (view, at) => ({
    flags: view.getUint32(at, true) as DeviceFlags,
    ipv4: readAddress(view, at + 4),
    ipv6: readAddress(view, at + 20),
  }),
};

export interface FlowKey {
  readonly source: IpPort;
  readonly destination: IpPort;
  readonly protocol: number;
}

export const flowKey: Codec<FlowKey> = {
  size: 44,
  write(view, at, value) {
    ipPort.write(view, at, value.source);
    ipPort.write(view, at + 20, value.destination);
    view.setUint32(at + 40, value.protocol, true);
  },
  read: (view, at) => ({
    source: ipPort.read(view, at),
    destination: ipPort.read(view, at + 20),
    protocol: view.getUint32(at + 40, true),
  }),
};

export const FlowFlags = {
  REQUEST: 1,
  AT_EGRESS: 2,
  MASQUERADED: 4,
  FORWARDED: 8,
  ANSWERED: 16,
  CONFIRMED: 32,
  REQUEST_FIN: 64,
  REPLY_FIN: 128,
  RESET: 256,
  REPLY_FIN_FIRST: 512,
  IN_HALVES: 1024,
  FORGOTTEN: 2048,
} as const;
export type FlowFlags = number;

export interface FlowValue {
  readonly lastUsedNs: bigint;
  readonly checkedNs: bigint;
  readonly source: IpPort;
  readonly destination: IpPort;
  readonly servicePortId: number;
  readonly flags: FlowFlags;
}

export const flowValue: Codec<FlowValue> = {
  size: 64,
  write(view, at, value) {
    view.setBigUint64(at, value.lastUsedNs, true);
    view.setBigUint64(at + 8, value.checkedNs, true);
    ipPort.write(view, at + 16, value.source);
    ipPort.write(view, at + 36, value.destination);
    view.setUint32(at + 56, value.servicePortId, true);
    view.setUint32(at + 60, value.flags, true);
  },
  read: (view, at) => ({
    lastUsedNs: view.getBigUint64(at, true),
    checkedNs: view.getBigUint64(at + 8, true),
    source: ipPort.read(view, at + 16),
    destination: ipPort.read(view, at + 36),
    servicePortId: view.getUint32(at + 56, true),
    flags: view.getUint32(at + 60, true) as FlowFlags,
  }),
};

export interface FlowPlace {
  readonly key: FlowKey;
  readonly takenNs: bigint;
}

export const flowPlace: Codec<FlowPlace> = {
  size: 56,
  write(view, at, value) {
    flowKey.write(view, at, value.key);
    view.setBigUint64(at + 48, value.takenNs, true);
  },
  read: (view, at) => ({
    key: flowKey.read(view, at),
    takenNs: view.getBigUint64(at + 48, true),
  }),
};

export interface FlowQueueEnd {
  readonly taken: bigint;
  readonly crowd: number;
  readonly nextClearing: number;
}

export const flowQueueEnd: Codec<FlowQueueEnd> = {
  size: 16,
  write(view, at, value) {
    view.setBigUint64(at, value.taken, true);
    view.setUint32(at + 8, value.crowd, true);
    view.setUint32(at + 12, value.nextClearing, true);
  },
  read: (view, at) => ({
    taken: view.getBigUint64(at, true),
    crowd: view.getUint32(at + 8, true),
    nextClearing: view.getUint32(at + 12, true),
  }),
};

export interface MasqueradeTurns {
  readonly taken: number;
}

export const masqueradeTurns: Codec<MasqueradeTurns> = {
  size: 4,
  write(view, at, value) {
    view.setUint32(at, value.taken, true);
  },
  read: (view, at) => ({
    taken: view.getUint32(at, true),
  }),
};

export interface FragmentKey {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly id: number;
  readonly protocol: number;
}

export const fragmentKey: Codec<FragmentKey> = {
  size: 40,
  write(view, at, value) {
    writeAddress(view, at, value.source);
    writeAddress(view, at + 16, value.destination);
    view.setUint32(at + 32, value.id, true);
    view.setUint32(at + 36, value.protocol, true);
  },
  read: (view, at) => ({
    source: readAddress(view, at),
    destination: readAddress(view, at + 16),
    id: view.getUint32(at + 32, true),
    protocol: view.getUint32(at + 36, true),
  }),
};

export interface FragmentPorts {
  readonly source: number;
  readonly destination: number;
  readonly protocol: number;
}

export const fragmentPorts: Codec<FragmentPorts> = {
  size: 8,
  write(view, at, value) {
    view.setUint16(at, value.source);
    view.setUint16(at + 2, value.destination);
    view.setUint32(at + 4, value.protocol, true);
  },
  read: (view, at) => ({
    source: view.getUint16(at),
    destination: view.getUint16(at + 2),
    protocol: view.getUint32(at + 4, true),
  }),
};

export interface PacketCount {
  readonly packets: bigint;
}

export const packetCount: Codec<PacketCount> = {
  size: 8,
  write(view, at, value) {
    view.setBigUint64(at, value.packets, true);
  },
  read: (view, at) => ({
    packets: view.getBigUint64(at, true),
  }),
};

export interface ServiceCount {
  readonly socketConnections: number;
  readonly socketRefusals: number;
  readonly packetConnections: number;
  readonly packetRefusals: number;
}

export const serviceCount: Codec<ServiceCount> = {
  size: 16,
  write(view, at, value) {
    view.setUint32(at, value.socketConnections, true);
    view.setUint32(at + 4, value.socketRefusals, true);
    view.setUint32(at + 8, value.packetConnections, true);
    view.setUint32(at + 12, value.packetRefusals, true);
  },
  read: (view, at) => ({
    socketConnections: view.getUint32(at, true),
    socketRefusals: view.getUint32(at + 4, true),
    packetConnections: view.getUint32(at + 8, true),
    packetRefusals: view.getUint32(at + 12, true),
  }),
};

export interface RefusalBudget {
  readonly filledNs: bigint;
  readonly left: number;
}

export const refusalBudget: Codec<RefusalBudget> = {
  size: 16,
  write(view, at, value) {
    view.setBigUint64(at, value.filledNs, true);
    view.setUint32(at + 8, value.left, true);
  },
  read: (view, at) => ({
    filledNs: view.getBigUint64(at, true),
    left: view.getUint32(at + 8, true),
  }),
};

export interface NextHop {
  readonly family: number;
  readonly address: IpAddress;
}

export const nextHop: Codec<NextHop> = {
  size: 20,
  write(view, at, value) {
    view.setUint32(at, value.family, true);
    writeAddress(view, at + 4, value.address);
  },
  read: (view, at) => ({
    family: view.getUint32(at, true),
    address: readAddress(view, at + 4),
  }),
};

export interface Way {
  readonly askedJiffies: bigint;
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly hook: number;
  readonly protocol: number;
  readonly longest: number;
  readonly ifindex: number;
  readonly nextHop: NextHop;
}

export const way: Codec<Way> = {
  size: 80,
  write(view, at, value) {
    view.setBigUint64(at, value.askedJiffies, true);
    writeAddress(view, at + 8, value.source);
    writeAddress(view, at + 24, value.destination);
    view.setUint32(at + 40, value.hook, true);
    view.setUint32(at + 44, value.protocol, true);
    view.setUint32(at + 48, value.longest, true);
    view.setUint32(at + 52, value.ifindex, true);
    nextHop.write(view, at + 56, value.nextHop);
  },
  read: (view, at) => ({
    askedJiffies: view.getBigUint64(at, true),
    source: readAddress(view, at + 8),
    destination: readAddress(view, at + 24),
    hook: view.getUint32(at + 40, true),
    protocol: view.getUint32(at + 44, true),
    longest: view.getUint32(at + 48, true),
    ifindex: view.getUint32(at + 52, true),
    nextHop: nextHop.read(view, at + 56),
  }),
};

export interface Tick {
  readonly jiffies: bigint;
  readonly coarseNs: bigint;
}

export const tick: Codec<Tick> = {
  size: 16,
  write(view, at, value) {
    view.setBigUint64(at, value.jiffies, true);
    view.setBigUint64(at + 8, value.coarseNs, true);
  },
  read: (view, at) => ({
    jiffies: view.getBigUint64(at, true),
    coarseNs: view.getBigUint64(at + 8, true),
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

export const PacketOutcome = {
  PASSED: 0,
  REQUEST_DELIVERED: 1,
  REQUEST_REDIRECTED: 2,
  REQUEST_FORWARDED: 3,
  REPLY_DELIVERED: 4,
  REPLY_REDIRECTED: 5,
  REPLY_FORWARDED: 6,
  FORWARDED_OUT: 7,
  ICMP_ERROR_TRANSLATED: 8,
  ECHO_ANSWERED: 9,
  REFUSED_NO_ENDPOINTS: 10,
  REFUSED_CLOSED_PORT: 11,
  REFUSED_UNKNOWN_FLOW: 12,
  DROPPED_REFUSAL_LIMIT: 13,
  DROPPED_NO_LOCAL_ENDPOINTS: 14,
  DROPPED_SOURCE_NOT_ALLOWED: 15,
  DROPPED_UNALLOCATED: 16,
  DROPPED_MASQUERADE_PORTS_EXHAUSTED: 17,
  DROPPED_NO_MASQUERADE_ADDRESS: 18,
  DROPPED_NO_ROUTE: 19,
  DROPPED_UNKNOWN_REPLY: 20,
  DROPPED_SCTP_PORT: 21,
  DROPPED_FLOW_TABLE: 22,
  DROPPED_CANNOT_REWRITE: 23,
  FLOW_CREATED: 24,
  FLOW_REPLACED: 25,
  FLOW_RESTORED: 26,
  FLOW_BACKEND_GONE: 27,
  SOURCE_PORT_CHANGED: 28,
  FIRST_FRAGMENT: 29,
  LATER_FRAGMENT: 30,
  FLOW_PUSHED_OUT: 31,
  OUTCOMES: 32,
} as const;
export type PacketOutcome = (typeof PacketOutcome)[keyof typeof PacketOutcome];

export const FlowTimeoutSeconds = {
  TIMEOUT_TCP_OPENING: 60,
  TIMEOUT_TCP_ESTABLISHED: 86400,
  TIMEOUT_TCP_CLOSING: 3600,
  TIMEOUT_TCP_CLOSED: 10,
  TIMEOUT_TCP_RESET: 120,
  TIMEOUT_TCP_TIME_WAIT: 60,
  TIMEOUT_UDP_SINGLE: 30,
  TIMEOUT_UDP_STREAM: 120,
  TIMEOUT_SCTP_OPENING: 60,
  TIMEOUT_SCTP_ESTABLISHED: 300,
} as const;
export type FlowTimeoutSeconds = (typeof FlowTimeoutSeconds)[keyof typeof FlowTimeoutSeconds];

export const MAPS = {
  frontends: { name: 'frontends', type: 1, flags: 1, maxEntries: 131072, key: frontendKey, value: frontendValue, layoutHash: 'a390a564' } satisfies MapSpec<FrontendKey, FrontendValue>,
  slots: { name: 'slots', type: 12, flags: 0, maxEntries: 1, key: u32, value: u32, layoutHash: '1c822d59', inner: { name: 'slot_array', type: 2, flags: 4096, maxEntries: 1, key: u32, value: ipPort, layoutHash: '948c318e' } satisfies MapSpec<number, IpPort> } satisfies MapSpec<number, number> & { inner: unknown },
  members: { name: 'members', type: 1, flags: 1, maxEntries: 65536, key: memberKey, value: memberValue, layoutHash: '831e2c8f' } satisfies MapSpec<MemberKey, MemberValue>,
  sourceRanges: { name: 'source_ranges', type: 11, flags: 1, maxEntries: 131072, key: sourceRangeKey, value: presence, layoutHash: '4e131f6c' } satisfies MapSpec<SourceRangeKey, Presence>,
  nodePortAddresses: { name: 'node_port_addresses', type: 1, flags: 1, maxEntries: 4096, key: nodePortAddress, value: presence, layoutHash: 'f7f67612' } satisfies MapSpec<NodePortAddress, Presence>,
  serviceCidrs: { name: 'service_cidrs', type: 11, flags: 1, maxEntries: 131072, key: ipPrefix, value: presence, layoutHash: '2c18fe2c' } satisfies MapSpec<IpPrefix, Presence>,
  servedNetworks: { name: 'served_networks', type: 2, flags: 0, maxEntries: 1024, key: u32, value: servedNetworks, layoutHash: '3915da5c' } satisfies MapSpec<number, ServedNetworks>,
  nodes: { name: 'nodes', type: 2, flags: 0, maxEntries: 1, key: u32, value: node, layoutHash: '754ea65c' } satisfies MapSpec<number, Node>,
  affinities: { name: 'affinities', type: 9, flags: 0, maxEntries: 4096, key: affinityKey, value: affinityValue, layoutHash: '56d2586c' } satisfies MapSpec<AffinityKey, AffinityValue>,
  servicePorts: { name: 'service_ports', type: 1, flags: 1, maxEntries: 65536, key: u32, value: servicePortName, layoutHash: '4c7c2429' } satisfies MapSpec<number, ServicePortName>,
  socketServices: { name: 'socket_services', type: 24, flags: 1, maxEntries: 0, key: u32, value: socketService, layoutHash: 'a037341e' } satisfies MapSpec<number, SocketService>,
  dials: { name: 'dials', type: 2, flags: 0, maxEntries: 4096, key: u32, value: dial, layoutHash: '0a1bcc6e' } satisfies MapSpec<number, Dial>,
  udpBackends: { name: 'udp_backends', type: 9, flags: 0, maxEntries: 4096, key: udpPeerKey, value: udpBackend, layoutHash: 'af4a1201' } satisfies MapSpec<UdpPeerKey, UdpBackend>,
  udpServices: { name: 'udp_services', type: 9, flags: 0, maxEntries: 4096, key: udpPeerKey, value: ipPort, layoutHash: '07c03bd5' } satisfies MapSpec<UdpPeerKey, IpPort>,
  clusterCidrs: { name: 'cluster_cidrs', type: 11, flags: 1, maxEntries: 1024, key: ipPrefix, value: presence, layoutHash: '2c18fe2c' } satisfies MapSpec<IpPrefix, Presence>,
  devices: { name: 'devices', type: 1, flags: 1, maxEntries: 4096, key: u32, value: device, layoutHash: 'e56f940a' } satisfies MapSpec<number, Device>,
  flows: { name: 'flows', type: 1, flags: 1, maxEntries: 131072, key: flowKey, value: flowValue, layoutHash: 'df2ce85f' } satisfies MapSpec<FlowKey, FlowValue>,
  flowQueue: { name: 'flow_queue', type: 2, flags: 0, maxEntries: 16384, key: u32, value: flowPlace, layoutHash: 'e73bed1b' } satisfies MapSpec<number, FlowPlace>,
  flowQueueEnds: { name: 'flow_queue_ends', type: 2, flags: 0, maxEntries: 1, key: u32, value: flowQueueEnd, layoutHash: 'db7264e4' } satisfies MapSpec<number, FlowQueueEnd>,
  masqueradeTurns: { name: 'masquerade_turns', type: 2, flags: 0, maxEntries: 1024, key: u32, value: masqueradeTurns, layoutHash: '63530722' } satisfies MapSpec<number, MasqueradeTurns>,
  fragments: { name: 'fragments', type: 9, flags: 0, maxEntries: 2048, key: fragmentKey, value: fragmentPorts, layoutHash: '226714c9' } satisfies MapSpec<FragmentKey, FragmentPorts>,
  packetCounts: { name: 'packet_counts', type: 6, flags: 0, maxEntries: 32, key: u32, value: packetCount, layoutHash: 'f73fdbda' } satisfies MapSpec<number, PacketCount>,
  serviceCounts: { name: 'service_counts', type: 6, flags: 0, maxEntries: 16384, key: u32, value: serviceCount, layoutHash: '98cd1e31' } satisfies MapSpec<number, ServiceCount>,
  refusalBudgets: { name: 'refusal_budgets', type: 6, flags: 0, maxEntries: 1, key: u32, value: refusalBudget, layoutHash: 'e65b1978' } satisfies MapSpec<number, RefusalBudget>,
  ways: { name: 'ways', type: 6, flags: 0, maxEntries: 256, key: u32, value: way, layoutHash: '459dd0b5' } satisfies MapSpec<number, Way>,
  ticks: { name: 'ticks', type: 6, flags: 0, maxEntries: 1, key: u32, value: tick, layoutHash: '86d2f0e9' } satisfies MapSpec<number, Tick>,
} as const;
