// SPDX-License-Identifier: Apache-2.0
// What API servers, and what stands before them, do wrong: each for FaultyProxy.inject().

import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Exchange, Fault } from './faulty-proxy.ts';

/** Refuses, with a Status as Kubernetes writes it. */
export function refuse(code: number, headers: Readonly<Record<string, string>> = {}): Fault {
  return ({ response }) => {
    response.writeHead(code, { 'content-type': 'application/json', ...headers });
    response.end(
      JSON.stringify({ kind: 'Status', status: 'Failure', code, message: 'by a fault' }),
    );
  };
}

/** One refusal after the other. */
export function refuseInTurn(codes: readonly number[]): Fault {
  let at = 0;
  return (exchange) => {
    const code = codes[at % codes.length] ?? 500;
    at += 1;
    return refuse(code)(exchange);
  };
}

/** The answer in drops. */
export function drip(bytes: number, everyMs: number): Fault {
  return async ({ response, ask }) => {
    const answer = await ask();
    const { 'content-length': _, ...headers } = answer.headers;
    response.writeHead(answer.statusCode ?? 502, headers);
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      for (let at = 0; at < chunk.length && !response.destroyed; at += bytes) {
        response.write(chunk.subarray(at, at + bytes));
        await sleep(everyMs);
      }
    }
    response.end();
  };
}

/** A watch that begins well, with a bookmark, and is cut within its next line. */
export const halfLine: Fault = ({ url, response }) => {
  response.write(bookmarkAt(url));
  response.write('{"type":"ADDED","object":{"kind":"Serv', () => response.socket?.end());
};

/** A watch that begins well and goes on with what is no event. */
export const garbage: Fault = ({ url, response }) => {
  response.write(bookmarkAt(url));
  response.end('<html>502 Bad Gateway</html>\n');
};

/** Lists have one more page, and it has expired when it is asked for. */
export const expiringPage: Fault = async (exchange) => {
  const { url, response, ask } = exchange;
  if (url.searchParams.has('continue')) return refuse(410)(exchange);
  const { metadata, ...rest } = JSON.parse(await text(await ask()));
  response.end(JSON.stringify({ ...rest, metadata: { ...metadata, continue: 'more' } }));
};

/** A list of which every page names one more. */
export const endlessList: Fault = ({ response }) => {
  const metadata = { resourceVersion: '1000000', continue: 'more' };
  response.end(JSON.stringify({ kind: 'List', metadata, items: [] }));
};

/** A watch whose first line has no end. */
export const endlessLine: Fault = async ({ response }) => {
  response.write('{"type":"ADDED","object":{"metadata":{"name":"');
  const piece = Buffer.alloc(256 * 1024, 'x');
  const closed = new Promise((resolve) => response.once('close', resolve));
  while (!response.destroyed) {
    if (response.write(piece)) await sleep(0);
    else await Promise.race([closed, new Promise((resolve) => response.once('drain', resolve))]);
  }
};

/** Watches that say again what they have said. */
export class Stammer {
  /** Lines that were said again. */
  repeated = 0;
  readonly #which: 'the last' | 'all';
  readonly #everyMs: number;

  constructor(which: 'the last' | 'all', everyMs: number) {
    this.#which = which;
    this.#everyMs = everyMs;
  }

  readonly fault: Fault = async (exchange: Exchange) => {
    const { response } = exchange;
    const answer = await exchange.ask();
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    response.flushHeaders();
    const said: string[] = [];
    const timer = setInterval(() => {
      const again = this.#which === 'all' ? said : said.slice(-1);
      this.repeated += again.length;
      response.write(again.join(''));
    }, this.#everyMs);
    response.once('close', () => clearInterval(timer));
    let rest = '';
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        said.push(`${line}\n`);
        response.write(`${line}\n`);
      }
    }
    response.end();
  };
}

/** Where the watch begins, which its server knows. */
function bookmarkAt(url: URL): string {
  const resourceVersion = url.searchParams.get('resourceVersion');
  return `${JSON.stringify({ type: 'BOOKMARK', object: { metadata: { resourceVersion } } })}\n`;
}
