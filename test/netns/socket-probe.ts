// SPDX-License-Identifier: Apache-2.0
// Holds a socket-probe.c that runs on a node or in a pod of it: one method per socket call, each telling what the kernel
// answered. Commands are answered one after another, in order.

import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { type Place, spawnInside } from '../lab/spawn-inside.ts';
import { compileProgram } from './compile-program.ts';
import type { TestNode } from './test-node.ts';

/** '' when the call succeeded, else the name of its errno: ECONNREFUSED. */
export type Errno = string;

export interface Datagram {
  readonly data: string;
  /** address:port; '' when the kernel named none. */
  readonly from: string;
}

/** One of the attempts of {@link SocketProbe.repeat}. Times are CLOCK_MONOTONIC, as process.hrtime's. */
export interface Attempt {
  readonly startNs: number;
  readonly endNs: number;
  readonly target: number;
  /** Address and port of the backend that answered; the errno's name when none did. */
  readonly landed: string;
}

/** What a socket does in an attempt: `udp` connects, `sendto` does not. */
export type AttemptKind = 'tcp' | 'udp' | 'sendto';

export interface Target {
  /** A new socket each time; `kept` is one that does `sendto` again and again. */
  readonly kind: AttemptKind | 'kept';
  readonly address: string;
  readonly port: number;
}

interface RepeatOptions {
  /** Default: until time is over. */
  readonly count?: number;
  readonly timeoutMs: number;
  /** Between attempts. Default 0. */
  readonly pauseUs?: number;
}

interface Answer {
  readonly errno: Errno;
  readonly socket?: number;
  readonly address?: string;
  readonly received?: readonly Datagram[];
}

/** A command that has not been answered yet. */
interface Waiting {
  readonly command: string;
  readonly fail: (reason: Error) => void;
  /** @returns whether the line was the last of the answer. */
  readonly take: (line: string) => boolean;
}

type RawAttempt = [startNs: number, endNs: number, target: number, landed: string];

export class SocketProbe {
  readonly #child: ChildProcess;
  readonly #waiting: Waiting[] = [];

  private constructor(child: ChildProcess) {
    this.#child = child;
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
    lines.on('line', (line) => {
      if (this.#waiting[0]?.take(line)) this.#waiting.shift();
    });
    child.once('exit', () => {
      for (const { command, fail } of this.#waiting)
        fail(new Error(`the probe ended at: ${command}`));
    });
  }

  /** It ends with its node. @param place where it runs, with a cgroup of the node; default: on the node. */
  static async start(node: TestNode, place: Place = node): Promise<SocketProbe> {
    const program = await compileProgram('socket-probe.c', node.directory);
    return new SocketProbe(spawnInside(place, [program], { stdio: ['pipe', 'pipe', 'inherit'] }));
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  async open(
    type: 'tcp' | 'udp',
    family: 4 | 6,
    { blocking = true }: { blocking?: boolean } = {},
  ): Promise<ProbeSocket> {
    const { errno, socket } = await this.call(`open ${type} ${family}${blocking ? '' : ' n'}`);
    if (socket === undefined || socket < 0) throw new Error(`cannot open a socket: ${errno}`);
    return new ProbeSocket(this, socket);
  }

  /** Goes into the network namespace that `file` stands for. Sockets that are open stay where they are. */
  async enter(file: string): Promise<Errno> {
    return (await this.call(`enter ${file}`)).errno;
  }

  /** Attempts, going round the targets, until {@link stop} or what the options say. */
  repeat(
    targets: readonly Target[],
    { count = 1e9, timeoutMs, pauseUs = 0 }: RepeatOptions,
  ): Promise<readonly Attempt[]> {
    const words = targets.map(({ kind, address, port }) => `${kind} ${address} ${port}`);
    const attempts: Attempt[] = [];
    return this.#ask(`repeat ${count} ${timeoutMs} ${pauseUs} ${words.join(' ')}`, (line) => {
      if (line === '{}') return attempts;
      const [startNs, endNs, target, landed] = JSON.parse(line) as RawAttempt;
      attempts.push({ startNs, endNs, target, landed });
      return undefined;
    });
  }

  /** Ends a {@link repeat} that is under way. */
  stop(): void {
    this.#child.stdin?.write('\n');
  }

  /** One command, one answer. */
  call(command: string): Promise<Answer> {
    return this.#ask(command, (line) => JSON.parse(line) as Answer);
  }

  close(): void {
    this.#child.stdin?.end();
  }

  /** @param take called with each line until it returns something. */
  #ask<T>(command: string, take: (line: string) => T | undefined): Promise<T> {
    return new Promise((resolve, fail) => {
      if (this.#child.exitCode !== null)
        throw new Error(`the probe has ended; not done: ${command}`);
      this.#waiting.push({
        command,
        fail,
        take(line) {
          const answer = take(line);
          if (answer !== undefined) resolve(answer);
          return answer !== undefined;
        },
      });
      this.#child.stdin?.write(`${command}\n`);
    });
  }
}

export class ProbeSocket {
  readonly #probe: SocketProbe;
  readonly #fd: number;

  constructor(probe: SocketProbe, fd: number) {
    this.#probe = probe;
    this.#fd = fd;
  }

  connect(address: string, port: number): Promise<Errno> {
    return this.#errno(`connect ${this.#fd} ${address} ${port}`);
  }

  /** connect() with AF_UNSPEC. */
  disconnect(): Promise<Errno> {
    return this.#errno(`connect ${this.#fd} unspec 0`);
  }

  bind(address: string, port: number): Promise<Errno> {
    return this.#errno(`bind ${this.#fd} ${address} ${port}`);
  }

  /** With others that have the same port, and other peers. */
  bindShared(address: string, port: number): Promise<Errno> {
    return this.#errno(`bind ${this.#fd} ${address} ${port} shared`);
  }

  listen(): Promise<Errno> {
    return this.#errno(`listen ${this.#fd}`);
  }

  /** @throws Error when nobody connects. */
  async accept(): Promise<ProbeSocket> {
    const { errno, socket } = await this.#probe.call(`accept ${this.#fd}`);
    if (socket === undefined || socket < 0) throw new Error(`nothing accepted: ${errno}`);
    return new ProbeSocket(this.#probe, socket);
  }

  /** SO_BINDTODEVICE */
  bindToDevice(name: string): Promise<Errno> {
    return this.#errno(`device ${this.#fd} ${name}`);
  }

  send(data: string): Promise<Errno> {
    return this.#errno(`send ${this.#fd} ${data}`);
  }

  /** As {@link send}, so many bytes. */
  sendBytes(count: number): Promise<Errno> {
    return this.#errno(`send ${this.#fd} *${count}`);
  }

  /** As {@link sendTo}, so many bytes. */
  sendBytesTo(count: number, address: string, port: number): Promise<Errno> {
    return this.#errno(`sendto ${this.#fd} *${count} ${address} ${port}`);
  }

  /** IP_PMTUDISC_DO: from now on its datagrams are not cut, and what is too large for the path fails. */
  discoverMtu(): Promise<Errno> {
    return this.#errno(`discover ${this.#fd}`);
  }

  /** One datagram to each destination; several go in one sendmmsg(). */
  sendTo(...destinations: readonly (readonly [address: string, port: number])[]): Promise<Errno> {
    return this.#errno(`sendto ${this.#fd} ? ${destinations.flat().join(' ')}`);
  }

  /** One datagram that names its own source (IP_PKTINFO, IPV6_PKTINFO). */
  sendFrom(source: string, address: string, port: number): Promise<Errno> {
    return this.#errno(`sendfrom ${this.#fd} ? ${source} ${address} ${port}`);
  }

  /** @throws Error when nothing arrives. */
  async receive(): Promise<Datagram> {
    const [datagram] = await this.receiveMany(1);
    return datagram as Datagram;
  }

  /** By recvmmsg() when it is more than one: returns when all have come. */
  async receiveMany(count: number): Promise<readonly Datagram[]> {
    const { errno, received } = await this.#probe.call(`recvfrom ${this.#fd} ${count}`);
    if (!received) throw new Error(`nothing received: ${errno}`);
    return received;
  }

  /** Sends one datagram to the connected peer. @returns who answered, shown as whom: `A as B`. */
  async ask(): Promise<string> {
    await this.send('?');
    const { data, from } = await this.receive();
    return `${data} as ${from}`;
  }

  /** Sends one datagram to an address. @returns as {@link ask}; the errno when it was not sent. */
  async askAt(address: string, port: number): Promise<string> {
    const errno = await this.sendTo([address, port]);
    if (errno) return errno;
    const { data, from } = await this.receive();
    return `${data} as ${from}`;
  }

  /** The peer's address and port, or the errno. */
  async peer(): Promise<string> {
    const { errno, address } = await this.#probe.call(`getpeername ${this.#fd}`);
    return address ?? errno;
  }

  /** Its own address and port. */
  async own(): Promise<string> {
    const { errno, address } = await this.#probe.call(`getsockname ${this.#fd}`);
    return address ?? errno;
  }

  async close(): Promise<void> {
    await this.#probe.call(`close ${this.#fd}`);
  }

  async #errno(command: string): Promise<Errno> {
    return (await this.#probe.call(command)).errno;
  }
}
