// SPDX-License-Identifier: Apache-2.0
// Byte streams into the cluster's network, which this machine is no part of: `ssh -W` to a machine of it, over the
// connection that ssh.ts shares. Used by api.ts and pod-control.ts. A machine that went away is reached again by the next stream.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { Duplex } from 'node:stream';
import type { Machine } from '../inventory.ts';
import { sshCommand } from '../ssh.ts';

export interface Tunnel {
  /** On 127.0.0.1. */
  readonly port: number;
  /** What ssh has said last of a stream that failed; empty when none has. */
  problem(): string;
  close(): void;
}

/** @returns a stream to an address and port as `machine` reaches them; it ends with what ssh says when that fails. */
export function streamThrough(machine: Machine, host: string, port: number): Duplex {
  const [ssh, ...args] = sshCommand(machine);
  const to = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const child = spawn(ssh, ['-W', to, ...args], { stdio: 'pipe' });
  const stream = Duplex.from({ writable: child.stdin, readable: child.stdout });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  child.once('error', (error) => stream.destroy(error));
  child.once('close', (code) => {
    const words = said.trim() || `exit code ${code}`;
    stream.destroy(code ? new Error(`ssh -W ${to} by ${machine.name}: ${words}`) : undefined);
  });
  stream.once('close', () => child.kill());
  return stream;
}

/** A port of this machine that leads there, for libraries that open connections by themselves. */
export async function tunnelThrough(machine: Machine, host: string, port: number): Promise<Tunnel> {
  let problem = '';
  const server = net.createServer((socket) => {
    const stream = streamThrough(machine, host, port);
    // Either end tells the other; who uses the port hears of it as a connection that broke.
    stream.on('error', ({ message }) => {
      problem = message;
      socket.destroy();
    });
    socket.on('error', () => stream.destroy());
    socket.on('close', () => stream.destroy());
    socket.pipe(stream).pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  server.unref();
  return {
    port: (server.address() as AddressInfo).port,
    problem: () => problem,
    close: () => server.close(),
  };
}
