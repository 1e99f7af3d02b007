// SPDX-License-Identifier: Apache-2.0
// Program: traffic that goes on and counts what fails, against echo-backends.c, on orders over IPC (see
// steady-traffic.ts, which starts it in a namespace).

import dgram from 'node:dgram';
import net from 'node:net';
import { answerCalls } from '../lab/rpc.ts';

export interface TrafficOrder {
  /** Of UDP all but the last ask again when they have been answered; `streamed` sends what each answer must repeat. */
  readonly kind: 'long' | 'short' | 'connected' | 'unconnected' | 'streamed';
  readonly host: string;
  readonly port: number;
  /** Connections or sockets; of short ones, how many are made in a second. */
  readonly count: number;
}

export interface TrafficReport {
  readonly exchanges: number;
  /** Connections that were made, sockets that were bound. */
  readonly connections: number;
  /** In words. */
  readonly failures: readonly string[];
  /** Backends that have answered, as they name themselves. */
  readonly backends: readonly string[];
  /** Whom they have seen, where they say so. */
  readonly seenAs: readonly string[];
}

const PERIOD_MS = 50;
/** Of a machine that has a lot to do: what is lost is lost for good. */
const PATIENCE_MS = 8000;

class Traffic {
  readonly #order: TrafficOrder;
  readonly #failures: string[] = [];
  readonly #backends = new Set<string>();
  readonly #seenAs = new Set<string>();
  readonly #closers: (() => void)[] = [];
  readonly #pending = new Set<Promise<void>>();
  #exchanges = 0;
  #connections = 0;
  #isOver = false;

  constructor(order: TrafficOrder) {
    this.#order = order;
    const { kind, count } = order;
    if (kind === 'short') {
      const timer = setInterval(() => this.#follow(this.#short()), 1000 / count);
      this.#closers.push(() => clearInterval(timer));
      return;
    }
    for (let i = 0; i < count; i++) {
      this.#follow(this.#exchange(kind));
    }
  }

  report(): TrafficReport {
    return {
      exchanges: this.#exchanges,
      connections: this.#connections,
      failures: this.#failures,
      backends: [...this.#backends],
      seenAs: [...this.#seenAs],
    };
  }

  async end(): Promise<TrafficReport> {
    this.#isOver = true;
    for (const close of this.#closers) close();
    await Promise.all(this.#pending);
    return this.report();
  }

  #follow(work: Promise<void>): void {
    const followed = work
      .catch((error: Error) => void this.#failures.push(error.message))
      .finally(() => this.#pending.delete(followed));
    this.#pending.add(followed);
  }

  #exchange(kind: Exclude<TrafficOrder['kind'], 'short'>): Promise<void> {
    if (kind === 'long') return this.#long();
    return kind === 'streamed' ? this.#stream() : this.#datagrams(kind === 'connected');
  }

  async #long(): Promise<void> {
    const socket = await this.#connect();
    const talk = new Talk(socket);
    this.#noteBackend(await talk.next());
    while (!this.#isOver) {
      const text = `${this.#exchanges} of ${process.pid}`;
      socket.write(text);
      const said = await talk.next();
      if (said !== text) throw new Error(`heard ${said} in place of ${text}`);
      this.#exchanges++;
      await pause();
    }
    socket.destroy();
  }

  async #short(): Promise<void> {
    const socket = await this.#connect();
    const talk = new Talk(socket);
    this.#noteBackend(await talk.next());
    this.#exchanges++;
    socket.end('bye');
    await talk.ended();
  }

  async #datagrams(isConnected: boolean): Promise<void> {
    const { host, port } = this.#order;
    const socket = this.#socket();
    const talk = new Talk(socket);
    if (isConnected) await new Promise<void>((resolve) => socket.connect(port, host, resolve));
    this.#connections++;
    while (!this.#isOver) {
      if (isConnected) socket.send('anybody there?');
      else socket.send('anybody there?', port, host);
      this.#noteBackend(await talk.next());
      this.#exchanges++;
      await pause();
    }
    socket.close();
  }

  /** Whatever the answers, so that some are under way at any moment. */
  async #stream(): Promise<void> {
    const { host, port } = this.#order;
    const socket = this.#socket();
    const unanswered = new Set<string>();
    socket.on('message', (data, from) => {
      if (from.address !== host || from.port !== port)
        this.#failures.push(`an answer of ${from.address} port ${from.port}`);
      else if (unanswered.delete(String(data))) this.#exchanges++;
    });
    this.#connections++;
    let sent = 0;
    while (!this.#isOver) {
      const text = String(sent++);
      unanswered.add(text);
      socket.send(text, port, host);
      await pause();
    }
    const deadlineMs = performance.now() + PATIENCE_MS;
    while (unanswered.size > 0 && performance.now() < deadlineMs) await pause();
    socket.close();
    const { size } = unanswered;
    if (size > 0) throw new Error(`no answer to ${size} of ${sent}: ${[...unanswered].join()}`);
  }

  #socket(): dgram.Socket {
    return dgram.createSocket(this.#order.host.includes(':') ? 'udp6' : 'udp4');
  }

  async #connect(): Promise<net.Socket> {
    const { host, port } = this.#order;
    const socket = net.connect({ host, port, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no connection to ${host}`)), PATIENCE_MS);
      socket.once('connect', () => {
        clearTimeout(timer);
        resolve();
      });
      socket.once('error', reject);
    });
    this.#connections++;
    return socket;
  }

  #noteBackend(text: string): void {
    const [backend = '', seenAs = ''] = text.replace(/\0.*/s, '').split(' from ');
    this.#backends.add(backend);
    this.#seenAs.add(seenAs);
  }
}

/** What comes in, one piece after the other. */
class Talk {
  #heard: string[] = [];
  #error: Error | undefined;
  #hasEnded = false;
  #wake: (() => void) | undefined;

  constructor(socket: net.Socket | dgram.Socket) {
    const hear = (data: Buffer) => {
      this.#heard.push(data.toString());
      this.#wake?.();
    };
    if (socket instanceof net.Socket) socket.on('data', hear).on('end', () => this.#end());
    else socket.on('message', hear);
    socket.on('error', (error) => {
      this.#error = error;
      this.#wake?.();
    });
  }

  async next(): Promise<string> {
    await this.#until(() => this.#heard.length > 0 || this.#hasEnded);
    const said = this.#heard.shift();
    if (said === undefined) throw new Error('the other end has hung up');
    return said;
  }

  async ended(): Promise<void> {
    await this.#until(() => this.#hasEnded);
  }

  #end(): void {
    this.#hasEnded = true;
    this.#wake?.();
  }

  async #until(isSo: () => boolean): Promise<void> {
    const deadlineMs = performance.now() + PATIENCE_MS;
    while (!isSo()) {
      if (this.#error) throw this.#error;
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) throw new Error('no answer');
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

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, PERIOD_MS));
}

const running: Traffic[] = [];

const methods = {
  /** @returns its number. */
  begin: (order: TrafficOrder) => running.push(new Traffic(order)) - 1,
  report: (number: number) => (running[number] as Traffic).report(),
  end: (number: number) => (running[number] as Traffic).end(),
};

export type TrafficMethods = typeof methods;

answerCalls(methods);
