// SPDX-License-Identifier: Apache-2.0
// The generated codecs against the host's C compiler, which reads the headers by itself: a mistake of our own
// reader of BTF cannot vouch for itself.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import type { IpAddress } from '../../../agent/model/address.ts';
import type { Codec } from '../../../agent/sys/codec.ts';
import * as layout from '../../../agent/sys/layout.gen.ts';
import { requireProgram } from '../../helpers/requirements.ts';

const ROOT = path.join(import.meta.dirname, '../../..');

/**
 * A value in TypeScript and the same in C. Every byte of a number differs, so that order and place show; a
 * new struct in abi.h belongs here, or the last test fails.
 */
interface Row<T> {
  readonly codec: Codec<T>;
  readonly value: T;
  readonly c: string;
}

const row = <T>(codec: Codec<T>, value: T, c: string): Row<unknown> =>
  ({ codec, value, c }) as Row<unknown>;

const V4 = '10.244.1.7' as IpAddress;
const C_V4 = '{{0, 0, htonl(0xffff), htonl(0x0af40107)}}';
const V6 = '2001:db8:1:2:3:4:5:6' as IpAddress;
const C_V6 = '{{htonl(0x20010db8), htonl(0x00010002), htonl(0x00030004), htonl(0x00050006)}}';

const PEER = { address: V4, port: 0x1f90 };
const C_PEER = `{.address = ${C_V4}, .port = htons(0x1f90)}`;
const OTHER = { address: V6, port: 0x0035 };
const C_OTHER = `{.address = ${C_V6}, .port = htons(0x0035)}`;

const ROWS: Readonly<Record<string, Row<unknown>>> = {
  ip_port: row(layout.ipPort, OTHER, C_OTHER),
  frontend_key: row(
    layout.frontendKey,
    { address: V6, port: 0x1234, protocol: 17, scope: layout.FrontendScope.AT_OTHER_PORTS },
    `{.address = ${C_V6}, .port = htons(0x1234), .protocol = 17, .scope = FRONTEND_AT_OTHER_PORTS}`,
  ),
  slot_run: row(
    layout.slotRun,
    { first: 0x01020304, count: 0x05060708 },
    '{.first = 0x01020304, .count = 0x05060708}',
  ),
  frontend_value: row(
    layout.frontendValue,
    {
      servicePortId: 0xfedcba98,
      kind: layout.FrontendKind.LOAD_BALANCER,
      flags: layout.FrontendFlags.DROPS_OUTSIDE | layout.FrontendFlags.RESTRICTED,
      affinityTimeoutSeconds: 0x01020304,
      inside: { first: 1, count: 2 },
      outside: { first: 3, count: 4 },
    },
    `{.service_port_id = 0xfedcba98, .kind = FRONTEND_LOAD_BALANCER,
      .flags = FRONTEND_DROPS_OUTSIDE | FRONTEND_RESTRICTED, .affinity_timeout_seconds = 0x01020304,
      .inside = {.first = 1, .count = 2}, .outside = {.first = 3, .count = 4}}`,
  ),
  service_port_name: row(
    layout.servicePortName,
    { namespaceName: 'default', serviceName: 'q'.repeat(63), portName: 'http', protocol: 132 },
    `{"default", "${'q'.repeat(63)}", "http", .protocol = 132}`,
  ),
  member_key: row(
    layout.memberKey,
    { servicePortId: 0x01020304, backend: PEER },
    `{.service_port_id = 0x01020304, .backend = ${C_PEER}}`,
  ),
  member_value: row(
    layout.memberValue,
    { flags: layout.MemberFlags.IN_LOCAL },
    '{.flags = MEMBER_IN_LOCAL}',
  ),
  ip_prefix: row(layout.ipPrefix, { bits: 112, address: V4 }, `{.bits = 112, .address = ${C_V4}}`),
  source_range_key: row(
    layout.sourceRangeKey,
    { bits: 160, servicePortId: 0x01020304, address: V6 },
    `{.bits = 160, .service_port_id = 0x01020304, .address = ${C_V6}}`,
  ),
  node_port_address: row(layout.nodePortAddress, { address: V4 }, `{.address = ${C_V4}}`),
  presence: row(layout.presence, { present: 0x01020304 }, '{.present = 0x01020304}'),
  node: row(
    layout.node,
    {
      netnsCookie: 0xf1f2f3f4f5f6f7f8n,
      flags: layout.NodeFlags.LOOPBACK_NODE_PORTS,
      ipv4: V4,
      ipv6: V6,
      masqueradeFirstPort: 0xc001,
      masqueradePortCount: 0x3ffe,
    },
    `{.netns_cookie = 0xf1f2f3f4f5f6f7f8, .flags = NODE_LOOPBACK_NODE_PORTS,
      .ipv4 = ${C_V4}, .ipv6 = ${C_V6},
      .masquerade_first_port = 0xc001, .masquerade_port_count = 0x3ffe}`,
  ),
  device: row(
    layout.device,
    { flags: layout.DeviceFlags.OF_POD, ipv4: V4, ipv6: V6 },
    `{.flags = DEVICE_OF_POD, .ipv4 = ${C_V4}, .ipv6 = ${C_V6}}`,
  ),
  served_networks: row(
    layout.servedNetworks,
    { bits: 0xf1f2f3f4f5f6f7f8n },
    '{.bits = 0xf1f2f3f4f5f6f7f8}',
  ),
  dial: row(
    layout.dial,
    {
      cookie: 0xf1f2f3f4f5f6f7f8n,
      socket: 0xe1e2e3e4e5e6e7e8n,
      service: PEER,
      backend: OTHER,
      servicePortId: 0xd1d2d3d4,
      lastUsed: 0xc1c2,
      hasOthers: 0xb1b2,
    },
    `{.cookie = 0xf1f2f3f4f5f6f7f8, .socket = 0xe1e2e3e4e5e6e7e8, .service = ${C_PEER}, .backend = ${C_OTHER},
      .service_port_id = 0xd1d2d3d4, .last_used = 0xc1c2, .has_others = 0xb1b2}`,
  ),
  flow_key: row(
    layout.flowKey,
    { source: PEER, destination: OTHER, protocol: 0x01020304 },
    `{.source = ${C_PEER}, .destination = ${C_OTHER}, .protocol = 0x01020304}`,
  ),
  service_count: row(
    layout.serviceCount,
    {
      socketConnections: 0xf1f2f3f4,
      socketRefusals: 0xe1e2e3e4,
      packetConnections: 0xd1d2d3d4,
      packetRefusals: 0xc1c2c3c4,
    },
    `{.socket_connections = 0xf1f2f3f4, .socket_refusals = 0xe1e2e3e4,
      .packet_connections = 0xd1d2d3d4, .packet_refusals = 0xc1c2c3c4}`,
  ),
  flow_place: row(
    layout.flowPlace,
    {
      key: { source: PEER, destination: OTHER, protocol: 0x01020304 },
      takenNs: 0xf1f2f3f4f5f6f7f8n,
    },
    `{.key = {.source = ${C_PEER}, .destination = ${C_OTHER}, .protocol = 0x01020304},
      .taken_ns = 0xf1f2f3f4f5f6f7f8}`,
  ),
  masquerade_turns: row(layout.masqueradeTurns, { taken: 0xf1f2f3f4 }, '{.taken = 0xf1f2f3f4}'),
  flow_queue_end: row(
    layout.flowQueueEnd,
    { taken: 0xf1f2f3f4f5f6f7f8n, crowd: 0xe1e2e3e4, nextClearing: 0xd1d2d3d4 },
    '{.taken = 0xf1f2f3f4f5f6f7f8, .crowd = 0xe1e2e3e4, .next_clearing = 0xd1d2d3d4}',
  ),
  flow_value: row(
    layout.flowValue,
    {
      lastUsedNs: 0xf1f2f3f4f5f6f7f8n,
      checkedNs: 0xe1e2e3e4e5e6e7e8n,
      source: PEER,
      destination: OTHER,
      servicePortId: 0xfedcba98,
      flags: layout.FlowFlags.REQUEST | layout.FlowFlags.RESET,
    },
    `{.last_used_ns = 0xf1f2f3f4f5f6f7f8, .checked_ns = 0xe1e2e3e4e5e6e7e8, .source = ${C_PEER},
      .destination = ${C_OTHER}, .service_port_id = 0xfedcba98, .flags = FLOW_REQUEST | FLOW_RESET}`,
  ),
  fragment_key: row(
    layout.fragmentKey,
    { source: V4, destination: V6, id: 0x01020304, protocol: 0x05060708 },
    `{.source = ${C_V4}, .destination = ${C_V6}, .id = 0x01020304, .protocol = 0x05060708}`,
  ),
  fragment_ports: row(
    layout.fragmentPorts,
    { source: 0x1234, destination: 0x5678, protocol: 0x01020304 },
    '{.source = htons(0x1234), .destination = htons(0x5678), .protocol = 0x01020304}',
  ),
  packet_count: row(
    layout.packetCount,
    { packets: 0xf1f2f3f4f5f6f7f8n },
    '{.packets = 0xf1f2f3f4f5f6f7f8}',
  ),
  refusal_budget: row(
    layout.refusalBudget,
    { filledNs: 0xf1f2f3f4f5f6f7f8n, left: 0x01020304 },
    '{.filled_ns = 0xf1f2f3f4f5f6f7f8, .left = 0x01020304}',
  ),
  next_hop: row(
    layout.nextHop,
    { family: 0x01020304, address: V6 },
    `{.family = 0x01020304, .address = ${C_V6}}`,
  ),
  way: row(
    layout.way,
    {
      askedJiffies: 0xf1f2f3f4f5f6f7f8n,
      source: V4,
      destination: V6,
      hook: 0x01020304,
      protocol: 0x11121314,
      longest: 0x21222324,
      ifindex: 0x31323334,
      nextHop: { family: 0x41424344, address: V4 },
    },
    `{.asked_jiffies = 0xf1f2f3f4f5f6f7f8, .source = ${C_V4}, .destination = ${C_V6},
      .hook = 0x01020304, .protocol = 0x11121314, .longest = 0x21222324, .ifindex = 0x31323334,
      .next_hop = {.family = 0x41424344, .address = ${C_V4}}}`,
  ),
  tick: row(
    layout.tick,
    { jiffies: 0xf1f2f3f4f5f6f7f8n, coarseNs: 0xe1e2e3e4e5e6e7e8n },
    '{.jiffies = 0xf1f2f3f4f5f6f7f8, .coarse_ns = 0xe1e2e3e4e5e6e7e8}',
  ),
  affinity_key: row(
    layout.affinityKey,
    { netnsCookie: 0x0102030405060708n, source: V6, servicePortId: 7 },
    `{.netns_cookie = 0x0102030405060708, .source = ${C_V6}, .service_port_id = 7}`,
  ),
  affinity_value: row(
    layout.affinityValue,
    { lastUsedNs: 0xf1f2f3f4f5f6f7f8n, backend: OTHER },
    `{.last_used_ns = 0xf1f2f3f4f5f6f7f8, .backend = ${C_OTHER}}`,
  ),
  udp_peer_key: row(
    layout.udpPeerKey,
    { socketCookie: 0x0102030405060708n, peer: PEER },
    `{.socket_cookie = 0x0102030405060708, .peer = ${C_PEER}}`,
  ),
  udp_backend: row(
    layout.udpBackend,
    { lastUsedNs: 0xf1f2f3f4f5f6f7f8n, backend: OTHER, servicePortId: 7 },
    `{.last_used_ns = 0xf1f2f3f4f5f6f7f8, .backend = ${C_OTHER}, .service_port_id = 7}`,
  ),
  stale_socket: row(
    layout.staleSocket,
    {
      cookie: 0xf1f2f3f4f5f6f7f8n,
      netnsInode: 0xf0000001,
      request: Uint8Array.from({ length: 56 }, (_, i) => i + 1),
    },
    `{.cookie = 0xf1f2f3f4f5f6f7f8, .netns_inode = 0xf0000001,
      .request = {${Array.from({ length: 56 }, (_, i) => i + 1)}}}`,
  ),
  socket_service: row(
    layout.socketService,
    { service: OTHER, backend: PEER, servicePortId: 7 },
    `{.service = ${C_OTHER}, .backend = ${C_PEER}, .service_port_id = 7}`,
  ),
};

/** Prints the bytes of every value, a line each: `name hex`. */
const PROGRAM = `
#include <arpa/inet.h>
#include <stdio.h>
#include "abi.h"
#include "stale-socket.h"

static void print(const char *name, const void *value, size_t size)
{
	printf("%s ", name);
	for (size_t i = 0; i < size; i++)
		printf("%02x", ((const unsigned char *)value)[i]);
	printf("\\n");
}

int main(void)
{
${Object.entries(ROWS)
  .map(
    ([name, { c }]) =>
      `\t{ struct ${name} value = ${c}; print("${name}", &value, sizeof(value)); }`,
  )
  .join('\n')}
	return 0;
}
`;

test('codecs write what the C compiler makes of abi.h, and read it', (t) => {
  if (!requireProgram(t, 'cc')) return;
  const folder = mkdtempSync(path.join(tmpdir(), 'signalbox-layout-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const binary = path.join(folder, 'layout');
  writeFileSync(`${binary}.c`, PROGRAM);
  execFileSync('cc', ['-Wall', '-Werror', `-I${ROOT}/bpf`, `${binary}.c`, '-o', binary]);
  const lines = execFileSync(binary, { encoding: 'utf8' }).trim().split('\n');
  const fromC = Object.fromEntries(lines.map((line) => line.split(' ')));
  for (const [name, { codec, value }] of Object.entries(ROWS)) {
    const bytes = Buffer.alloc(codec.size);
    codec.write(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, value);
    t.is(bytes.toString('hex'), fromC[name], name);
    const read = Buffer.from(`aabbcc${fromC[name]}`, 'hex');
    t.deepEqual(codec.read(new DataView(read.buffer, read.byteOffset), 3), value, name);
  }
});

test('every codec is compared, and every struct', (t) => {
  const codecs = Object.values(layout).filter((it) => 'write' in it && 'read' in it);
  const compared = new Set<unknown>(Object.values(ROWS).map(({ codec }) => codec));
  t.deepEqual(
    codecs.filter((codec) => !compared.has(codec)),
    [],
  );
  const headers = ['abi.h', 'stale-socket.h'].map((file) =>
    readFileSync(path.join(ROOT, 'bpf', file), 'utf8'),
  );
  const structs = [...headers.join('').matchAll(/^struct (\w+) \{/gm)].map(
    ([, name]) => name ?? '',
  );
  // An address is part of others and has no codec of its own.
  t.deepEqual(
    structs.filter((name) => !(name in ROWS) && name !== 'ip_address'),
    [],
  );
});
