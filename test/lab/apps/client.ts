// SPDX-License-Identifier: Apache-2.0
// Image `client`: somebody who uses Services from inside a pod, on the lab's orders (see rpc.ts).

import { lookup as lookupCallback } from 'node:dns';
import net from 'node:net';
import { promisify } from 'node:util';
import { formatHostPort } from '../host-port.ts';
import { answerCalls } from '../rpc.ts';
import { type DatagramQuery, exchangeDatagrams } from './datagram.ts';
import { type DnsQuery, queryDns } from './dns-query.ts';
import { Download } from './download.ts';
import { type HttpGet, httpGet } from './http-get.ts';
import { request, type Target } from './request.ts';
import { RequestReport } from './request-report.ts';

const lookup = promisify(lookupCallback);

/** Requests of a batch. */
const AT_A_TIME = 4;
const CONNECT_TIMEOUT_MS = 5_000;
/** Each may be a time-out: what fails like this will not get better. */
const FAILURES_ENOUGH = 8;
const STREAM_TICK_MS = 10;
/** No stream runs for longer, whoever forgot it. */
const STREAM_LIMIT_MS = 120_000;

interface Stream {
  readonly report: RequestReport;
  readonly timer: NodeJS.Timeout;
  readonly pending: Set<Promise<void>>;
}

const streams = new Map<number, Stream>();
let lastStream = 0;
const downloads = new Map<number, Download>();
let lastDownload = 0;

const methods = {
  /** `count` requests, each on a connection of its own, a few at a time; fewer when too many fail. */
  async requests({ count, ...target }: Target & { readonly count: number }) {
    const report = new RequestReport();
    let left = count;
    const work = async () => {
      while (left-- > 0 && report.failed < FAILURES_ENOUGH) await report.record(request(target));
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, work));
    return report.result();
  },

  /** Starts to make `perSecond` requests a second, each on a connection of its own. @returns its number. */
  startStream({ perSecond, ...target }: Target & { readonly perSecond: number }): number {
    const report = new RequestReport();
    const pending = new Set<Promise<void>>();
    const begun = performance.now();
    let made = 0;
    const timer = setInterval(() => {
      const elapsedMs = performance.now() - begun;
      if (elapsedMs > STREAM_LIMIT_MS) clearInterval(timer);
      for (; made < (elapsedMs / 1000) * perSecond; made++) {
        const recorded = report.record(request(target)).finally(() => pending.delete(recorded));
        pending.add(recorded);
      }
    }, STREAM_TICK_MS);
    streams.set(++lastStream, { report, timer, pending });
    return lastStream;
  },

  /** Ends a stream, waits for its last answers, reports all of it. */
  async stopStream({ stream }: { readonly stream: number }) {
    const { report, timer, pending } = streamOf(stream);
    clearInterval(timer);
    await Promise.all(pending);
    streams.delete(stream);
    return report.result();
  },

  /** Starts to fetch something large from a pod. @returns its number. */
  startDownload(target: Target): number {
    downloads.set(++lastDownload, new Download(target));
    return lastDownload;
  },

  /** Fetches so many more bytes of it. @returns how many have come in all. */
  download: ({ download, bytes }: { readonly download: number; readonly bytes: number }) =>
    downloadOf(download).read(bytes),

  /** Fetches the rest of it. */
  async finishDownload({ download }: { readonly download: number }) {
    const result = await downloadOf(download).finish();
    downloads.delete(download);
    return result;
  },

  /** A datagram from a connected UDP socket, and what comes back. */
  datagram: (query: DatagramQuery) => exchangeDatagrams(query),

  /** A request for whatever document, and all of the answer. */
  get: (request: HttpGet) => httpGet(request),

  /** Connects and hangs up. */
  connect: ({ host, port, timeoutMs = CONNECT_TIMEOUT_MS }: ConnectOptions) =>
    new Promise<Connection>((resolve) => {
      const begun = performance.now();
      const socket = net.connect({ host, port, timeout: timeoutMs });
      const settle = (outcome: Omit<Connection, 'ms'>) => {
        socket.destroy();
        resolve({ ...outcome, ms: performance.now() - begun });
      };
      socket.once('connect', () =>
        settle({ peer: formatHostPort(socket.remoteAddress ?? '', socket.remotePort ?? 0) }),
      );
      socket.once('timeout', () => settle({ errno: 'ETIMEDOUT' }));
      socket.once('error', (error: NodeJS.ErrnoException) =>
        settle({ errno: error.code ?? error.message }),
      );
    }),

  /** The addresses that glibc's getaddrinfo finds. */
  async resolve({ name, family = 0 }: { readonly name: string; readonly family?: number }) {
    const found = await lookup(name, { all: true, family });
    return found.map(({ address }) => address);
  },

  /** One DNS question to `server`, over UDP (an unconnected socket) or TCP. */
  dns: (query: DnsQuery) => queryDns(query),

  /** Environment variables whose names start with `prefix`. */
  environment: ({ prefix }: { readonly prefix: string }): Record<string, string> =>
    Object.fromEntries(
      Object.entries(process.env).filter(([name]) => name.startsWith(prefix)),
    ) as Record<string, string>,
};

export interface ConnectOptions {
  readonly host: string;
  readonly port: number;
  /** Default 5 s. */
  readonly timeoutMs?: number;
}

export interface Connection {
  /** What getpeername(2) says, as `address:port`. */
  readonly peer?: string;
  readonly errno?: string;
  readonly ms: number;
}

export type ClientMethods = typeof methods;

process.once('SIGTERM', () => process.exit(0));
answerCalls(methods);

function streamOf(stream: number): Stream {
  const found = streams.get(stream);
  if (!found) throw new Error(`there is no stream ${stream}`);
  return found;
}

function downloadOf(download: number): Download {
  const found = downloads.get(download);
  if (!found) throw new Error(`there is no download ${download}`);
  return found;
}
