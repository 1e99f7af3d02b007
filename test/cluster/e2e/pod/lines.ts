// SPDX-License-Identifier: Apache-2.0
// One connection or socket of a client, and the lines that come in by it. Used by exchange.ts and traffic.ts, inside of
// pods. What goes wrong is thrown with a code: errno, TIMEOUT, or HANGUP when the other end has ended it.

import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import type { Endpoint, Target } from './wire.ts';

export const PATIENCE_MS = 30_000;

/** @returns an IPv4-mapped address as IPv4. */
export function plain(address = ''): string {
  return address.replace(/^::ffff:(?=\d+\.)/, '');
}

/** One connection or socket, and the lines that come in. */
export abstract class Line {
  #heard = '';
  #error: Error | undefined;
  #wake = () => {};

  protected hear(text: string): void {
    this.#heard += text;
    this.#wake();
  }

  protected fail(error: Error): void {
    this.#error ??= error;
    this.#wake();
  }

  abstract open(): Promise<void>;
  abstract say(text: string): void;
  abstract peer(): Endpoint;
  abstract close(): void;

  /** @throws what the socket says; an error with the code TIMEOUT. */
  async next(patienceMs: number): Promise<string> {
    const deadlineMs = performance.now() + patienceMs;
    for (;;) {
      const end = this.#heard.indexOf('\n');
      if (end >= 0) {
        const line = this.#heard.slice(0, end);
        this.#heard = this.#heard.slice(end + 1);
        return line;
      }
      if (this.#error) throw this.#error;
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) throw coded('TIMEOUT', 'no answer');
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}

export function coded(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

export class TcpLine extends Line {
  readonly #target: Target;
  #socket: net.Socket | undefined;

  constructor(target: Target) {
    super();
    this.#target = target;
  }

  async open(): Promise<void> {
    const { host, port, localPort, patienceMs = PATIENCE_MS } = this.#target;
    const socket = net.connect({ host, port, noDelay: true, ...(localPort && { localPort }) });
    this.#socket = socket;
    socket.setEncoding('utf8').on('data', (text: string) => this.hear(text));
    socket.on('end', () => this.fail(coded('HANGUP', 'the other end has hung up')));
    const timer = setTimeout(() => socket.destroy(coded('TIMEOUT', 'no connection')), patienceMs);
    try {
      await once(socket, 'connect');
    } finally {
      clearTimeout(timer);
      socket.on('error', (error) => this.fail(error));
    }
  }

  say(text: string): void {
    this.#socket?.write(text);
  }

  peer(): Endpoint {
    return { address: plain(this.#socket?.remoteAddress), port: this.#socket?.remotePort ?? 0 };
  }

  close(): void {
    this.#socket?.end();
    this.#socket?.unref();
  }
}

/** A socket that is connected for one exchange shows refusals; one for many is not connected. */
export class UdpLine extends Line {
  readonly #target: Target;
  readonly #isConnected: boolean;
  readonly #socket: dgram.Socket;
  #from: Endpoint = { address: '', port: 0 };

  constructor(target: Target, isConnected: boolean) {
    super();
    this.#target = target;
    this.#isConnected = isConnected;
    this.#socket = dgram.createSocket(target.host.includes(':') ? 'udp6' : 'udp4');
  }

  async open(): Promise<void> {
    this.#socket.on('error', (error) => this.fail(error));
    this.#socket.on('message', (data, { address, port }) => {
      this.#from = { address: plain(address), port };
      this.hear(data.toString());
    });
    const { host, port, localPort = 0 } = this.#target;
    await new Promise<void>((resolve) => this.#socket.bind(localPort, resolve));
    if (!this.#isConnected) return;
    await new Promise<void>((resolve, reject) =>
      this.#socket.connect(port, host, (error?: Error) => (error ? reject(error) : resolve())),
    );
  }

  say(text: string): void {
    const { host, port } = this.#target;
    const tell = (error: Error | null) => {
      if (error) this.fail(error);
    };
    if (this.#isConnected) this.#socket.send(text, tell);
    else this.#socket.send(text, port, host, tell);
  }

  peer(): Endpoint {
    return this.#from;
  }

  close(): void {
    this.#socket.close();
  }
}

export function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException).code ?? error);
}
