// SPDX-License-Identifier: Apache-2.0
// Proof by connection that the programs run: success of attaching says nothing when the cgroup is not the
// one that processes are in. For each family a service address that nobody uses leads to a server on
// loopback; a TCP connection and an unconnected UDP exchange must arrive, and must show the service address
// as their peer. That passes through connect, getpeername, sendmsg and recvmsg.

import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import { messageOf } from '../errors.ts';
import type { IpAddress } from '../model/address.ts';
import type { Protocol } from '../model/objects.ts';
import type { ResolvedServicePort, Route } from '../model/resolve.ts';
import type { Backend } from '../model/service-port.ts';

interface Case {
  /** No host has it: IPv4 dummy address (RFC 7600), discard-only prefix (RFC 6666). */
  readonly service: IpAddress;
  readonly loopback: IpAddress;
  readonly socketType: 'udp4' | 'udp6';
}

const CASES: readonly Case[] = [
  { service: '192.0.0.8' as IpAddress, loopback: '127.0.0.1' as IpAddress, socketType: 'udp4' },
  { service: '100::8' as IpAddress, loopback: '::1' as IpAddress, socketType: 'udp6' },
];

const PORT = 9;
const TIMEOUT_MS = 2000;

/** Has `servicePorts` in the tables while `body` runs. */
export type WithFrontends = (
  servicePorts: readonly ResolvedServicePort[],
  body: () => Promise<void>,
) => Promise<void>;

/**
 * @returns what did not work, one line each; empty when all did. A family without a loopback address on
 * this machine is left out; undefined when that leaves none.
 */
export async function selfTest(withFrontends: WithFrontends): Promise<string[] | undefined> {
  let problems: string[] | undefined;
  for (const one of CASES) {
    const ofCase = await testCase(one, withFrontends);
    if (ofCase) problems = [...(problems ?? []), ...ofCase];
  }
  return problems;
}

async function testCase(one: Case, withFrontends: WithFrontends): Promise<string[] | undefined> {
  const tcp = net.createServer((connection) => connection.end());
  const udp = createSocket(one.socketType, (message, peer) =>
    udp.send(message, peer.port, peer.address),
  );
  try {
    if (!(await listens(tcp, udp, one.loopback))) return undefined;
    const problems: string[] = [];
    const tcpPort = (tcp.address() as net.AddressInfo).port;
    const servicePorts = [
      servicePort(one, 'TCP', { address: one.loopback, port: tcpPort }),
      servicePort(one, 'UDP', { address: one.loopback, port: udp.address().port }),
    ];
    await withFrontends(servicePorts, async () => {
      problems.push(
        ...(await attempt(`a TCP connection to ${one.service}`, () => connect(one.service))),
      );
      problems.push(...(await attempt(`a UDP exchange with ${one.service}`, () => exchange(one))));
    });
    return problems;
  } finally {
    tcp.close();
    udp.close();
  }
}

async function listens(tcp: net.Server, udp: Socket, host: string): Promise<boolean> {
  try {
    await once(tcp.listen(0, host), 'listening');
    udp.bind(0, host);
    await once(udp, 'listening');
    return true;
  } catch {
    return false;
  }
}

function servicePort({ service }: Case, protocol: Protocol, backend: Backend): ResolvedServicePort {
  const route: Route = { list: 'cluster', backends: [backend], onEmpty: 'reject' };
  return {
    servicePort: { service: `signalbox/self-test-${service}`, portName: '', protocol },
    frontends: [
      {
        frontend: { scope: 'address', address: service, port: PORT, protocol },
        kind: 'clusterIP',
        inside: route,
        outside: route,
        isRestricted: false,
      },
    ],
    affinityTimeoutSeconds: 0,
    balancing: 'random',
    members: [{ backend, isInCluster: true, isInLocal: false, isOnNode: true }],
    forgetsMembers: false,
    sourceRanges: [],
  };
}

/** @returns a line when `exchange` shows another peer than the service, or fails. */
async function attempt(what: string, peerOf: () => Promise<string>): Promise<string[]> {
  try {
    const peer = await peerOf();
    return what.endsWith(` ${peer}`) ? [] : [`${what} shows ${peer} as its peer`];
  } catch (error) {
    return [`${what} failed: ${messageOf(error)}`];
  }
}

async function connect(host: string): Promise<string> {
  const socket = net.connect({ host, port: PORT });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(TIMEOUT_MS) });
    return socket.remoteAddress ?? 'nothing';
  } finally {
    socket.destroy();
  }
}

async function exchange({ service, socketType }: Case): Promise<string> {
  const socket = createSocket(socketType);
  try {
    socket.send('signalbox', PORT, service);
    const [, peer] = await once(socket, 'message', { signal: AbortSignal.timeout(TIMEOUT_MS) });
    return peer.address;
  } finally {
    socket.close();
  }
}
