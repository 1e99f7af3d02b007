// SPDX-License-Identifier: Apache-2.0
// Something large to fetch over HTTP, and how a client does it: piece by piece, and looking that nothing is
// missing in the end.

import { createHash, randomBytes } from 'node:crypto';
import http from 'node:http';
import { Readable } from 'node:stream';
import { formatHostPort } from '../host-port.ts';
import type { Target } from './request.ts';

export const DOWNLOAD_PATH = '/download';

const BLOCK_SIZE = 1024 * 1024;
const BLOCKS = 96;

/** Bytes. */
export const DOWNLOAD_SIZE = BLOCK_SIZE * BLOCKS;

/** Sends it; the header `sha256` is that of the whole. */
export function sendDownload(response: http.ServerResponse): void {
  const block = randomBytes(BLOCK_SIZE);
  const hash = createHash('sha256');
  for (let i = 0; i < BLOCKS; i++) hash.update(block);
  response.setHeader('content-length', DOWNLOAD_SIZE);
  response.setHeader('sha256', hash.digest('hex'));
  const body = Readable.from(Array.from({ length: BLOCKS }, () => block));
  // A client that went away needs nothing.
  response.once('close', () => body.destroy());
  body.pipe(response);
}

export interface DownloadResult {
  readonly bytes: number;
  /** Whether all of it came as it was sent. */
  readonly isWhole: boolean;
  readonly errno?: string;
  readonly servedBy: string;
  /** The client's end of the connection, as `address:port`: as it knows it, and as the server does. */
  readonly client: string;
  readonly seenAs: string;
}

/** A download that is taken by pieces: what is not asked for stays with the server. */
export class Download {
  readonly #hash = createHash('sha256');
  readonly #request: http.ClientRequest;
  #bytes = 0;
  /** Up to here it is wanted. */
  #wanted = 0;
  #reached: (() => void) | undefined;
  #response: http.IncomingMessage | undefined;
  #client = '';
  readonly #ended: Promise<string | undefined>;

  constructor({ host, port = 80 }: Target) {
    this.#request = http.get({ host, port, path: DOWNLOAD_PATH, agent: false });
    this.#ended = new Promise((resolve) => {
      const fail = ({ code, message }: NodeJS.ErrnoException) => resolve(code ?? message);
      this.#request.once('error', fail);
      this.#request.once('response', (response) => {
        const { localAddress = '', localPort = 0 } = response.socket;
        this.#client = formatHostPort(localAddress, localPort);
        this.#response = response;
        response.once('error', fail);
        response.once('end', () => resolve(undefined));
        response.on('data', (data: Buffer) => this.#take(data));
      });
    });
  }

  /** Waits for so many more bytes. @returns how many have come in all: fewer when it has ended, a little more else. */
  async read(bytes: number): Promise<number> {
    this.#wanted += bytes;
    const reached = new Promise<void>((resolve) => {
      this.#reached = resolve;
    });
    if (this.#bytes < this.#wanted) {
      this.#response?.resume();
      await Promise.race([reached, this.#ended]);
    }
    return this.#bytes;
  }

  /** Fetches the rest. */
  async finish(): Promise<DownloadResult> {
    await this.read(Number.POSITIVE_INFINITY);
    const errno = await this.#ended;
    this.#request.destroy();
    const headers = this.#response?.headers ?? {};
    const { sha256, 'served-by': servedBy = '', 'seen-as': seenAs = '' } = headers;
    return {
      bytes: this.#bytes,
      isWhole: errno === undefined && this.#hash.digest('hex') === sha256,
      ...(errno !== undefined && { errno }),
      servedBy: String(servedBy),
      client: this.#client,
      seenAs: String(seenAs),
    };
  }

  #take(data: Buffer): void {
    this.#hash.update(data);
    this.#bytes += data.length;
    if (this.#bytes < this.#wanted) return;
    this.#response?.pause();
    this.#reached?.();
  }
}
