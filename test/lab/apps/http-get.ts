// SPDX-License-Identifier: Apache-2.0
// One HTTP request on a connection of its own, and all that came back.

import http from 'node:http';

export interface HttpGet {
  readonly url: string;
  /** Default GET. */
  readonly method?: string;
  /** Until the whole answer is there. Default 5 s. */
  readonly timeoutMs?: number;
}

export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const TIMEOUT_MS = 5_000;

/** @throws Error with `code` when there is no answer, whatever its status. */
export function httpGet({ url, method, timeoutMs = TIMEOUT_MS }: HttpGet): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const request = http.request(url, { method, agent: false, signal }, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.once('error', reject);
      response.once('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: Object.fromEntries(
            Object.entries(response.headers).map(([name, value]) => [name, String(value)]),
          ),
          body: Buffer.concat(pieces).toString('utf8'),
        }),
      );
    });
    request.once('error', reject);
    request.end();
  });
}
