// SPDX-License-Identifier: Apache-2.0
// The servers of a pod: TCP and UDP on both families, which say who they are and whom they see. Used by main.ts.

import dgram from 'node:dgram';
import net from 'node:net';
import { plain } from './lines.ts';
import type { Greeting } from './wire.ts';

export interface Identity {
  readonly pod: string;
  readonly node: string;
}

/** Greets; a connection then hears its own words again, a datagram is answered by the greeting alone. */
export function serve(identity: Identity, port: number): void {
  const greet = (from: string | undefined, fromPort: number | undefined) => {
    const client = { address: plain(from), port: fromPort ?? 0 };
    return `${JSON.stringify({ ...identity, port, client } satisfies Greeting)}\n`;
  };
  const server = net.createServer((socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.write(greet(socket.remoteAddress, socket.remotePort));
    socket.pipe(socket);
  });
  server.listen({ port, host: '::' });
  for (const type of ['udp4', 'udp6'] as const) {
    const socket = dgram.createSocket({ type, ipv6Only: type === 'udp6' });
    socket.on('message', (_, from) => {
      socket.send(greet(from.address, from.port), from.port, from.address);
    });
    // That a client has gone is no news here.
    socket.on('error', () => {});
    socket.bind(port);
  }
}
