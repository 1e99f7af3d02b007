// SPDX-License-Identifier: Apache-2.0
// One HTTP request on a connection of its own.

import http from 'node:http';
import { formatHostPort } from '../host-port.ts';

export interface Target {
  /** An address, or a name for getaddrinfo. */
  readonly host: string;
  /** Default 80. */
  readonly port?: number;
  /** Default `/`. */
  readonly path?: string;
  /** For names: 4 or 6; default whichever comes first. */
  readonly family?: 4 | 6;
}

export interface Outcome {
  /** The pod that answered. */
  readonly servedBy: string;
  /** Whom the client believes to talk to: what getpeername(2) says. */
  readonly peer: string;
  /** Whom the pod believes to talk to, as `address:port`. */
  readonly seenAs: string;
}

const TIMEOUT_MS = 5_000;

/** @throws Error with `code`: an errno, ETIMEDOUT, or `HTTP 503` for an answer that is not 200. */
export function request({ host, port = 80, path = '/', family }: Target): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const options = { host, port, path, agent: false, timeout: TIMEOUT_MS };
    const sent = http.get({ ...options, ...(family && { family }) }, (response) => {
      const { remoteAddress = '', remotePort = 0 } = response.socket;
      response.resume();
      response.once('error', reject);
      response.once('end', () => {
        const { statusCode, headers } = response;
        if (statusCode !== 200) reject(failure(`HTTP ${statusCode}`));
        else {
          const peer = formatHostPort(remoteAddress, remotePort);
          resolve({
            servedBy: String(headers['served-by']),
            peer,
            seenAs: String(headers['seen-as']),
          });
        }
      });
    });
    sent.once('timeout', () => sent.destroy(failure('ETIMEDOUT')));
    sent.once('error', reject);
  });
}

function failure(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(code), { code });
}
