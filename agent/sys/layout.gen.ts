// SPDX-License-Identifier: Apache-2.0
// GENERATED from the BTF of bpf/build by `npm run generate`. Do not edit: change bpf/abi.h or bpf/maps.bpf.h.

import { type IpAddress, readAddress, writeAddress } from '../model/address.ts';
import { type Codec, type MapSpec, readName, u32, writeName } from './codec.ts';

export interface FrontendKey {
  readonly address: IpAddress;
  readonly port: number;
  readonly protocol: number;
}

export const frontendKey: Codec<FrontendKey> = {
  size: 20,
  write(view, at, value) {
    writeAddress(view, at, value.address);
    view.setUint16(at + 16, value.port);
    view.setUint8(at + 18, value.protocol);
  },
  read: (view, at) => ({
    address: readAddress(view, at),
    port: view.getUint16(at + 16),
    protocol: view.getUint8(at + 18),
  }),
};

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
  readonly backends: SlotRun;
}

export const frontendValue: Codec<FrontendValue> = {
  size: 12,
  write(view, at, value) {
    view.setUint32(at, value.servicePortId, true);
    slotRun.write(view, at + 4, value.backends);
  },
  read: (view, at) => ({
    servicePortId: view.getUint32(at, true),
    backends: slotRun.read(view, at + 4),
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

export const MemberState = {
  ELIGIBLE: 1,
} as const;
export type MemberState = (typeof MemberState)[keyof typeof MemberState];

export interface MemberValue {
  readonly state: MemberState;
}

export const memberValue: Codec<MemberValue> = {
  size: 4,
  write(view, at, value) {
    view.setUint32(at, value.state, true);
  },
  read: (view, at) => ({
    state: view.getUint32(at, true) as MemberState,
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
}

export const socketService: Codec<SocketService> = {
  size: 40,
  write(view, at, value) {
    ipPort.write(view, at, value.service);
    ipPort.write(view, at + 20, value.backend);
  },
  read: (view, at) => ({
    service: ipPort.read(view, at),
    backend: ipPort.read(view, at + 20),
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

export const MAPS = {
  frontends: { name: 'frontends', type: 1, flags: 1, maxEntries: 131072, key: frontendKey, value: frontendValue, layoutHash: 'b5562144' } satisfies MapSpec<FrontendKey, FrontendValue>,
  slots: { name: 'slots', type: 12, flags: 0, maxEntries: 1, key: u32, value: u32, layoutHash: 'a051481c', inner: { name: 'slot_array', type: 2, flags: 4096, maxEntries: 1, key: u32, value: ipPort, layoutHash: '3954239c' } satisfies MapSpec<number, IpPort> } satisfies MapSpec<number, number> & { inner: unknown },
  members: { name: 'members', type: 1, flags: 1, maxEntries: 131072, key: memberKey, value: memberValue, layoutHash: '19598efb' } satisfies MapSpec<MemberKey, MemberValue>,
  servicePorts: { name: 'service_ports', type: 1, flags: 1, maxEntries: 131072, key: u32, value: servicePortName, layoutHash: 'c0bb325a' } satisfies MapSpec<number, ServicePortName>,
  socketServices: { name: 'socket_services', type: 24, flags: 1, maxEntries: 0, key: u32, value: socketService, layoutHash: '5692e6d9' } satisfies MapSpec<number, SocketService>,
  udpBackends: { name: 'udp_backends', type: 9, flags: 0, maxEntries: 16384, key: udpPeerKey, value: udpBackend, layoutHash: 'dc5d555a' } satisfies MapSpec<UdpPeerKey, UdpBackend>,
  udpServices: { name: 'udp_services', type: 9, flags: 0, maxEntries: 16384, key: udpPeerKey, value: ipPort, layoutHash: 'b1d0d096' } satisfies MapSpec<UdpPeerKey, IpPort>,
} as const;
