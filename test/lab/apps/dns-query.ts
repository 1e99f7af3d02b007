// SPDX-License-Identifier: Apache-2.0
// One DNS question, straight to one server. UDP goes through an unconnected socket, so that the answer's
// source address is seen; a stub resolver's connected socket would hide a wrong one by dropping it.

import dgram from 'node:dgram';
import net from 'node:net';
import { type Answer, decode, encode, type Packet, streamDecode, streamEncode } from 'dns-packet';
import { formatHostPort } from '../host-port.ts';

export interface DnsQuery {
  readonly server: string;
  readonly name: string;
  readonly type: 'A' | 'AAAA' | 'SRV' | 'CNAME' | 'PTR';
  readonly transport: 'udp' | 'tcp';
}

export interface DnsReply {
  /** NOERROR, NXDOMAIN, ... */
  readonly rcode: string;
  /** As `TYPE data`; for SRV data is `target:port`. */
  readonly answers: readonly string[];
  /** Where the answer came from, as `address:port`. */
  readonly from: string;
}

const TIMEOUT_MS = 3_000;
const RECURSION_DESIRED = 0x100;
const RCODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];

/** @throws Error when there is no answer within three seconds. */
export function queryDns({ server, name, type, transport }: DnsQuery): Promise<DnsReply> {
  const question: Packet = {
    type: 'query',
    id: Math.floor(Math.random() * 0x10000),
    flags: RECURSION_DESIRED,
    questions: [{ type, name }],
  };
  return transport === 'udp' ? overUdp(server, question) : overTcp(server, question);
}

function overUdp(server: string, question: Packet): Promise<DnsReply> {
  const socket = dgram.createSocket(net.isIPv6(server) ? 'udp6' : 'udp4');
  return new Promise<DnsReply>((resolve, reject) => {
    const overdue = () => reject(new Error(`no answer from ${server} over UDP`));
    socket.once('message', (message, { address, port }) =>
      resolve(reply(decode(message), formatHostPort(address, port))),
    );
    socket.once('error', reject);
    socket.send(encode(question), 53, server, (error) => error && reject(error));
    setTimeout(overdue, TIMEOUT_MS).unref();
  }).finally(() => socket.close());
}

function overTcp(server: string, question: Packet): Promise<DnsReply> {
  const socket = net.connect({ host: server, port: 53, timeout: TIMEOUT_MS });
  return new Promise<DnsReply>((resolve, reject) => {
    let received = Buffer.alloc(0);
    socket.on('data', (bytes) => {
      received = Buffer.concat([received, bytes]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      resolve(
        reply(
          streamDecode(received),
          formatHostPort(socket.remoteAddress ?? '', socket.remotePort ?? 0),
        ),
      );
    });
    socket.once('timeout', () => reject(new Error(`no answer from ${server} over TCP`)));
    socket.once('error', reject);
    socket.write(streamEncode(question));
  }).finally(() => socket.destroy());
}

function reply(packet: Packet, from: string): DnsReply {
  const rcode = RCODES[(packet.flags ?? 0) & 0xf] ?? 'UNKNOWN';
  return { rcode, answers: (packet.answers ?? []).map(answerText), from };
}

function answerText(answer: Answer): string {
  if (answer.type === 'SRV') return `SRV ${answer.data.target}:${answer.data.port}`;
  return `${answer.type} ${'data' in answer ? answer.data : ''}`;
}
