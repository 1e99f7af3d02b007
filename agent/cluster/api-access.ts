// SPDX-License-Identifier: Apache-2.0
// What a request to the API server needs besides its path: made by kubeconfig.ts and in-cluster.ts,
// used by api-client.ts.

import { readFile } from 'node:fs/promises';
import querystring from 'node:querystring';
import { EnvironmentError } from '../errors.ts';

export interface ApiAccess {
  /** http: or https:, perhaps with a path that every request begins with. Shown to people: it holds no secret. */
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
  const shown = JSON.stringify(withoutPassword(text));
  throw new EnvironmentError(`${origin}: ${shown} is not the URL of an API server`, {
    hint: 'write it as https://HOST:PORT',
  });
}

/** Whatever was written where a URL should be, for people: without a name and password before the host. */
export function withoutPassword(text: string): string {
  return text.replace(/^(\w+:\/\/)?.*@/s, '$1...@');
}

/**
 * The same access, with the name and password that its URL may have in a header, where Basic authentication has them
 * (RFC 7617). Other credentials come before these, as with Go's clients.
 */
export function withHiddenPassword(access: ApiAccess): ApiAccess {
  const server = new URL(access.server);
  const { username, password } = server;
  server.username = '';
  server.password = '';
  server.search = '';
  server.hash = '';
  if (!username && !password) return { ...access, server };
  // A % that stands for itself makes no URL unusable: decodeURIComponent would throw.
  const pair = `${querystring.unescape(username)}:${querystring.unescape(password)}`;
  return {
    ...access,
    server,
    async credentials() {
      const { headers, tls } = await access.credentials();
      return { headers: { Authorization: basicAuthorization(pair), ...headers }, tls };
    },
  };
}

/** @param pair name:password */
export function basicAuthorization(pair: string): string {
  return `Basic ${Buffer.from(pair).toString('base64')}`;
}

/** @returns the header for the token in `file`, as it is now. */
export async function bearerFromFile(file: string): Promise<Record<string, string>> {
  return { Authorization: `Bearer ${(await readFile(file, 'utf8')).trim()}` };
}
