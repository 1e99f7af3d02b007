// SPDX-License-Identifier: Apache-2.0
// One datagram from a connected UDP socket, which is how a program learns that nobody is there: of an ICMP
// error the kernel tells connected sockets alone (udp(7)).

import dgram from 'node:dgram';

export interface DatagramQuery {
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
}

export interface DatagramOutcome {
  /** ETIMEDOUT when nothing came back, neither an answer nor an error; undefined for an answer. */
  readonly errno?: string;
  readonly ms: number;
}

export function exchangeDatagrams(query: DatagramQuery): Promise<DatagramOutcome> {
  const { host, port, timeoutMs } = query;
  return new Promise((resolve) => {
    const begun = performance.now();
    const socket = dgram.createSocket(host.includes(':') ? 'udp6' : 'udp4');
    const settle = (errno?: string) => {
      clearTimeout(timer);
      socket.close();
      resolve({ ...(errno !== undefined && { errno }), ms: performance.now() - begun });
    };
    const timer = setTimeout(() => settle('ETIMEDOUT'), timeoutMs);
    socket.once('message', () => settle());
    socket.once('error', (error: NodeJS.ErrnoException) => settle(error.code ?? error.message));
    socket.connect(port, host, () => socket.send('anybody there?'));
  });
}
