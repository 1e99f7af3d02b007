// SPDX-License-Identifier: Apache-2.0
// DNS on the wire: UDP and TCP on one port. Sizes, truncation and the order of addresses are decided
// here; what the answer is, in resolve.ts.

import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import {
  type Answer,
  AUTHORITATIVE_ANSWER,
  type DecodedPacket,
  decode,
  encode,
  type Packet,
  RECURSION_DESIRED,
  TRUNCATED_RESPONSE,
} from 'dns-packet';
import type { DnsView } from './dns-view.ts';
import { type Resolution, resolve } from './resolve.ts';

export interface DnsServerOptions {
  readonly view: DnsView;
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
}

const RCODES = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const;
/** What a client takes that says nothing of EDNS (RFC 1035). */
const PLAIN_UDP_SIZE = 512;
/** What this server says of itself, and never exceeds: passes any path unfragmented (DNS flag day 2020). */
const EDNS_UDP_SIZE = 1232;
const TCP_IDLE_MS = 10_000;

export class DnsServer {
  readonly #view: DnsView;
  readonly #udp: UdpSocket;
  readonly #tcp: Server;
  readonly #connections = new Set<Socket>();
  #rotation = 0;

  /** @throws Error when the port cannot be had. */
  static async start({ view, host, port }: DnsServerOptions): Promise<DnsServer> {
    const udp = createSocket({ type: host.includes(':') ? 'udp6' : 'udp4' });
    const tcp = createServer();
    const server = new DnsServer(view, udp, tcp);
    // TCP first: with port 0 it chooses for both.
    try {
      await new Promise<void>((done, fail) => tcp.once('error', fail).listen(port, host, done));
      await new Promise<void>((done, fail) =>
        udp.once('error', fail).bind(server.port, host, done),
      );
    } catch (error) {
      await server.close();
      throw error;
    }
    return server;
  }

  private constructor(view: DnsView, udp: UdpSocket, tcp: Server) {
    this.#view = view;
    this.#udp = udp;
    this.#tcp = tcp;
    udp.on('message', (message, peer) => this.#onDatagram(message, peer));
    tcp.on('connection', (connection) => this.#onConnection(connection));
  }

  get port(): number {
    const address = this.#tcp.address();
    return typeof address === 'object' ? (address?.port ?? 0) : 0;
  }

  async close(): Promise<void> {
    for (const connection of this.#connections) connection.destroy();
    await Promise.all([
      new Promise<void>((done) => this.#tcp.close(() => done())),
      new Promise<void>((done) => this.#udp.close(() => done())),
    ]);
  }

  #onDatagram(message: Buffer, { address, port }: RemoteInfo): void {
    const answer = this.#answer(message, 'udp');
    // A client that has gone is no matter of this server.
    if (answer) this.#udp.send(answer, port, address, () => {});
  }

  #onConnection(connection: Socket): void {
    this.#connections.add(connection);
    connection.once('close', () => this.#connections.delete(connection));
    connection.on('error', () => {});
    connection.setTimeout(TCP_IDLE_MS, () => connection.destroy());
    let pending: Buffer = Buffer.alloc(0);
    connection.on('data', (piece) => {
      pending = Buffer.concat([pending, piece]);
      while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
        const end = 2 + pending.readUInt16BE(0);
        const answer = this.#answer(pending.subarray(2, end), 'tcp');
        pending = pending.subarray(end);
        if (!answer) {
          connection.destroy();
          return;
        }
        const length = Buffer.alloc(2);
        length.writeUInt16BE(answer.length);
        connection.write(Buffer.concat([length, answer]));
      }
    });
  }

  /** @returns undefined for what is not a query. */
  #answer(message: Buffer, transport: 'udp' | 'tcp'): Buffer | undefined {
    let query: DecodedPacket;
    try {
      query = decode(message);
    } catch {
      return undefined;
    }
    if (query.type !== 'query') return undefined;
    const [question, ...others] = query.questions ?? [];
    const resolution = question && others.length === 0 ? resolve(question, this.#view) : undefined;
    const opt = query.additionals?.find((record) => record.type === 'OPT');
    const edns = opt ? [ednsRecord()] : [];
    const full = response(query, resolution && this.#rotated(resolution), edns);
    const text = encode(full);
    const size = Math.min(Math.max(opt?.udpPayloadSize ?? 0, PLAIN_UDP_SIZE), EDNS_UDP_SIZE);
    if (transport === 'tcp' || text.length <= size) return text;
    // What only helps is left out first; then the client is told to come again over TCP.
    const shorter = encode({ ...full, additionals: edns });
    if (shorter.length <= size) return shorter;
    const flags = (full.flags ?? 0) | TRUNCATED_RESPONSE;
    return encode({ ...full, flags, answers: [], authorities: [], additionals: edns });
  }

  /** Begins with another address each time: most clients take the first. */
  #rotated(resolution: Resolution): Resolution {
    const { answers } = resolution;
    if (answers.length < 2 || answers.some(({ type }) => type !== 'A' && type !== 'AAAA')) {
      return resolution;
    }
    this.#rotation += 1;
    const at = this.#rotation % answers.length;
    return { ...resolution, answers: [...answers.slice(at), ...answers.slice(0, at)] };
  }
}

function response(
  query: DecodedPacket,
  resolution: Resolution | undefined,
  edns: Answer[],
): Packet {
  const { id = 0, questions = [] } = query;
  const desired = (query.flags ?? 0) & RECURSION_DESIRED;
  const rcode = RCODES[resolution?.rcode ?? 'FORMERR'];
  const authority = rcode === RCODES.REFUSED ? 0 : AUTHORITATIVE_ANSWER;
  return {
    type: 'response',
    id,
    flags: authority | desired | rcode,
    questions,
    answers: [...(resolution?.answers ?? [])],
    authorities: [...(resolution?.authorities ?? [])],
    additionals: [...(resolution?.additionals ?? []), ...edns],
  };
}

function ednsRecord(): Answer {
  return {
    type: 'OPT',
    name: '.',
    udpPayloadSize: EDNS_UDP_SIZE,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  };
}
