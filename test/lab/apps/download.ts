// SPDX-License-Identifier: Apache-2.0
// Something large to fetch over HTTP, and how a client does it: not faster than it is told to, and looking
// that nothing is missing in the end.

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

/** A download that goes on. */
export class Download {
  /** So far. */
  bytes = 0;
  readonly #begun = performance.now();
  readonly #hash = createHash('sha256');
  readonly #request: http.ClientRequest;
  #bytesPerSecond: number;
  #response: http.IncomingMessage | undefined;
  #resumes: NodeJS.Timeout | undefined;
  #client = '';
  readonly #ended: Promise<string | undefined>;

  constructor({ host, port = 80, bytesPerSecond }: Target & { readonly bytesPerSecond: number }) {
    this.#bytesPerSecond = bytesPerSecond;
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

  /** Fetches the rest as fast as it comes. */
  async finish(): Promise<DownloadResult> {
    this.#bytesPerSecond = Number.POSITIVE_INFINITY;
    this.#resume();
    const errno = await this.#ended;
    this.#request.destroy();
    const {
      sha256,
      'served-by': servedBy = '',
      'seen-as': seenAs = '',
    } = this.#response?.headers ?? {};
    return {
      bytes: this.bytes,
      isWhole: errno === undefined && this.#hash.digest('hex') === sha256,
      ...(errno !== undefined && { errno }),
      servedBy: String(servedBy),
      client: this.#client,
      seenAs: String(seenAs),
    };
  }

  #take(data: Buffer): void {
    this.#hash.update(data);
    this.bytes += data.length;
    const aheadMs = (this.bytes / this.#bytesPerSecond) * 1000 - (performance.now() - this.#begun);
    if (aheadMs < 1) return;
    this.#response?.pause();
    this.#resumes = setTimeout(() => this.#resume(), aheadMs);
  }

  #resume(): void {
    clearTimeout(this.#resumes);
    this.#response?.resume();
  }
}
