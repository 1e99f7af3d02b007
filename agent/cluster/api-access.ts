// SPDX-License-Identifier: Apache-2.0
// What a request to the API server needs besides its path: made by kubeconfig.ts and in-cluster.ts,
// used by api-client.ts.

import { readFile } from 'node:fs/promises';
import { EnvironmentError } from '../errors.ts';

export interface ApiAccess {
  /** http: or https:, perhaps with a path that every request begins with. */
  readonly server: URL;
  /** Of an HTTP proxy between here and the server. */
  readonly proxyUrl?: string;
  /** Asked before every request, so that files and tokens may rotate. Rejects with what went wrong. */
  credentials(): Promise<Credentials>;
  /** The server did not accept what {@link credentials} gave: nothing of it may be kept. */
  forget(): void;
}

export interface Credentials {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsOptions;
}

/** As node:tls names them. */
export interface TlsOptions {
  readonly ca?: Buffer;
  readonly cert?: Buffer | string;
  readonly key?: Buffer | string;
  readonly servername?: string;
  readonly rejectUnauthorized?: false;
}

/** @param origin where the text stands, for the message. @throws EnvironmentError */
export function parseServerUrl(text: string, origin: string): URL {
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return new URL(text);
  throw new EnvironmentError(`${origin}: ${JSON.stringify(text)} is not the URL of an API server`, {
    hint: 'write it as https://HOST:PORT',
  });
}

/** @returns the header for the token in `file`, as it is now. */
export async function bearerFromFile(file: string): Promise<Record<string, string>> {
  return { Authorization: `Bearer ${(await readFile(file, 'utf8')).trim()}` };
}
