// SPDX-License-Identifier: Apache-2.0
// The thin HTTP layer to the API server: GET, whole or as it streams in, for the reflectors; POST and PATCH
// for the event recorder. Every failure is an ApiError that names the request and what came of it.

import type { ClientRequest, IncomingMessage } from 'node:http';
import { messageOf } from '../errors.ts';
import { http, https } from '../node-http.ts';
import { type AnswerBounds, readText } from './answer-text.ts';
import type { ApiAccess, Credentials } from './api-access.ts';
import { ApiError, MAX_SAID_CHARS } from './api-error.ts';
import { isObject } from './json-fields.ts';
import { Pace, type PaceOptions } from './pace.ts';
import { beginningOf } from './short-text.ts';

export interface ApiRequest {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** Ends the request at once, also while its answer streams in. */
  readonly signal: AbortSignal;
}

/** A GET whose answer is read as it comes. */
export interface ApiStream extends ApiRequest {
  /** How long it may be silent; asked again after each piece. */
  readonly silenceMs: () => number;
  /** The server has begun to answer, and well. */
  readonly onAnswer?: () => void;
}

/** A POST of a new object into the collection at `path`, or a PATCH of the object there (JSON merge patch, RFC 7386). */
export interface ApiWrite extends ApiRequest {
  readonly method: 'POST' | 'PATCH';
  /** Sent as JSON. */
  readonly body: unknown;
}

/** Without a method: GET. */
type AnyRequest = ApiRequest & Partial<Pick<ApiWrite, 'method' | 'body'>>;

export interface ApiClient {
  /** Of the server, for people. */
  readonly server: string;
  /** The whole answer, as JSON. @throws ApiError */
  get(request: ApiRequest): Promise<unknown>;
  /**
   * The answer as it comes. Ends when the server ends it; an ApiError when it is cut, or when not one
   * byte comes for `silenceMs()`.
   *
   * @throws ApiError
   */
  stream(request: ApiStream): AsyncIterable<Buffer>;
  /** Once, never again by itself: after a failure the change may or may not have been made. @throws ApiError */
  write(request: ApiWrite): Promise<void>;
  /** Closes idle connections. */
  close(): void;
}

/** Told of each request; must not throw. */
export interface ApiObserver {
  /** @param code of the answer; undefined when there was none. */
  answered(method: string, host: string, code: number | undefined): void;
  /** A request was done, its answer read. Watches never are. */
  done(method: string, host: string, seconds: number): void;
}

export interface ApiClientOptions {
  readonly access: ApiAccess;
  readonly observer?: ApiObserver | undefined;
  /** How long the server may take to begin an answer, and to go on with a list. */
  readonly answerMs?: number;
  /** How often it writes; without it, as often as it is asked to. */
  readonly writes?: PaceOptions | undefined;
}

const MEDIA_TYPES = { POST: 'application/json', PATCH: 'application/merge-patch+json' } as const;
const ANSWER_MS = 30_000;
/** An answer that comes in drops may take so many times as long as it may take to begin. */
const WHOLE_ANSWER = 10;
/** A page of a list has some hundred kilobytes, a large one some megabytes. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
/** When a peer is silent: first probe, then the system's few more, a second apart. */
const TCP_KEEPALIVE_MS = 30_000;
/** Longer waits are not waited for. */
const MAX_RETRY_AFTER_MS = 300_000;

export function createApiClient(options: ApiClientOptions): ApiClient {
  const { access, observer, answerMs = ANSWER_MS, writes } = options;
  const pace = writes && new Pace(writes);
  const { server, proxyUrl } = access;
  const { Agent, request: send } = server.protocol === 'https:' ? https : http;
  const bounds: AnswerBounds = { maxBytes: MAX_ANSWER_BYTES, withinMs: WHOLE_ANSWER * answerMs };
  const agent = new Agent({
    keepAlive: true,
    ...(proxyUrl ? { proxyEnv: { HTTP_PROXY: proxyUrl, HTTPS_PROXY: proxyUrl } } : {}),
  });

  async function open({ path, query, signal, method, body }: AnyRequest): Promise<Answer> {
    const { headers, tls } = await credentialsInTime(access, answerMs, signal);
    const url = new URL(server);
    url.pathname = server.pathname.replace(/\/$/, '') + path;
    url.search = new URLSearchParams(query).toString();
    const request = send(url, {
      agent,
      signal,
      method,
      headers: {
        Accept: 'application/json',
        'User-Agent': 'signalbox',
        ...(method && { 'Content-Type': MEDIA_TYPES[method] }),
        ...headers,
      },
      ...tls,
    });
    request.once('socket', (socket) => socket.setKeepAlive(true, TCP_KEEPALIVE_MS));
    const answer = await noted(method, signal, () =>
      answerOf(request, method && JSON.stringify(body), answerMs),
    );
    const { statusCode } = answer.response;
    if (statusCode === 200 || statusCode === 201) return answer;
    if (statusCode === 401) access.forget();
    throw await refusal(answer.response, bounds);
  }

  /** A request that the agent itself breaks off says nothing of the server. */
  async function noted(
    method: string | undefined,
    signal: AbortSignal,
    send: () => Promise<Answer>,
  ): Promise<Answer> {
    try {
      const answer = await send();
      observer?.answered(method ?? 'GET', server.host, answer.response.statusCode);
      return answer;
    } catch (error) {
      if (!signal.aborted) observer?.answered(method ?? 'GET', server.host, undefined);
      throw error;
    }
  }

  async function timed<T>(request: AnyRequest, body: () => Promise<T>): Promise<T> {
    const begun = performance.now();
    try {
      return await body();
    } catch (error) {
      throw named(request, error);
    } finally {
      const seconds = (performance.now() - begun) / 1000;
      if (!request.signal.aborted) observer?.done(request.method ?? 'GET', server.host, seconds);
    }
  }

  function named(request: AnyRequest, error: unknown): ApiError {
    const what = `${request.method ?? 'GET'} ${server.origin}${request.path}`;
    if (request.signal.aborted) return new ApiError('connection', `${what}: stopped`);
    if (!(error instanceof ApiError)) {
      return new ApiError('connection', `${what}: ${messageOf(error)}`, { cause: error });
    }
    return error.within(what);
  }

  return {
    server: server.href,
    get(request) {
      return timed(request, async () => {
        const { response } = await open(request);
        return parseJson(await readText(response, bounds));
      });
    },
    async *stream(request) {
      try {
        const { response, breakSilenceAfter } = await open(request);
        breakSilenceAfter(request.silenceMs());
        request.onAnswer?.();
        for await (const chunk of response) {
          yield chunk;
          breakSilenceAfter(request.silenceMs());
        }
      } catch (error) {
        throw named(request, error);
      }
    },
    async write(request) {
      await pace?.wait(request.signal);
      await timed(request, async () => {
        const { response } = await open(request);
        // Until it has been read the connection serves no other request.
        await readText(response, bounds);
      });
    },
    close() {
      agent.destroy();
    },
  };
}

interface Answer {
  readonly response: IncomingMessage;
  /** From now on, this much silence ends the answer. */
  breakSilenceAfter(ms: number): void;
}

/** Sends the request. Silence for `silenceMs`, before the answer or in it, is an ApiError. */
function answerOf(
  request: ClientRequest,
  body: string | undefined,
  silenceMs: number,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let limitMs = 0;
    let response: IncomingMessage | undefined;
    const breakSilenceAfter = (ms: number) => {
      if (ms === limitMs) return;
      limitMs = ms;
      request.setTimeout(ms);
    };
    request.on('timeout', () => {
      const error = new ApiError('timeout', `nothing came for ${limitMs / 1000} s`);
      (response ?? request).destroy(error);
    });
    request.on('error', reject);
    request.on('response', (incoming) => {
      response = incoming;
      resolve({ response, breakSilenceAfter });
    });
    breakSilenceAfter(silenceMs);
    request.end(body);
  });
}

async function refusal(response: IncomingMessage, bounds: AnswerBounds): Promise<ApiError> {
  const { statusCode: status = 0, statusMessage = '', headers } = response;
  const retryAfterMs = Number(headers['retry-after']) * 1000;
  const said = statusText(await readText(response, bounds));
  return new ApiError('status', `${status} ${statusMessage}${said ? `: ${said}` : ''}`, {
    status,
    ...(retryAfterMs > 0 ? { retryAfterMs: Math.min(retryAfterMs, MAX_RETRY_AFTER_MS) } : {}),
  });
}

/** The message in a Kubernetes Status object, if the body is one. */
function statusText(body: string): string {
  try {
    const status: unknown = JSON.parse(body);
    const message = isObject(status) ? status.message : undefined;
    return typeof message === 'string' ? beginningOf(message, MAX_SAID_CHARS) : '';
  } catch {
    return '';
  }
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error) {
    throw new ApiError('answer', `not JSON: ${messageOf(error)}`, { cause: error });
  }
}

/** An exec plugin may hang: that must not be silent. */
async function credentialsInTime(
  access: ApiAccess,
  limitMs: number,
  signal: AbortSignal,
): Promise<Credentials> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const limit = `no credentials within ${limitMs / 1000} s`;
  const timer = setTimeout(() => reject(new ApiError('timeout', limit)), limitMs);
  const stop = () => reject(new ApiError('timeout', limit));
  signal.addEventListener('abort', stop);
  try {
    return await Promise.race([access.credentials(), late]);
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new ApiError('credentials', `no credentials: ${messageOf(error)}`, { cause: error });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}
