// SPDX-License-Identifier: Apache-2.0
// What can go wrong between the agent and the API server. Thrown by api-client.ts and by what reads
// its answers; the reflector waits and tries again. Anything else that is thrown there is a bug.

export type ApiErrorKind =
  /** No credentials to send: a file or an exec plugin failed. */
  | 'credentials'
  /** No connection, or it was cut. */
  | 'connection'
  /** No answer in time, or silence for longer than can be. */
  | 'timeout'
  /** The server refused; `status` says how. */
  | 'status'
  /** The server answered something that is not the Kubernetes API. */
  | 'answer';

/** How much of what a server says about a failure is passed on: it goes to the log, and to `status`. */
export const MAX_SAID_CHARS = 200;

export class ApiError extends Error {
  readonly kind: ApiErrorKind;
  /** HTTP status, or the code in a Kubernetes Status object. */
  readonly status: number | undefined;
  /** How long the server asks to be left alone. */
  readonly retryAfterMs: number | undefined;

  constructor(
    kind: ApiErrorKind,
    message: string,
    details: { cause?: unknown; status?: number; retryAfterMs?: number } = {},
  ) {
    super(message, details.cause === undefined ? {} : { cause: details.cause });
    this.name = 'ApiError';
    this.kind = kind;
    this.status = details.status;
    this.retryAfterMs = details.retryAfterMs;
  }

  /** The same error, saying what was attempted. */
  within(what: string): ApiError {
    const { kind, cause, status, retryAfterMs } = this;
    return new ApiError(kind, `${what}: ${this.message}`, {
      cause,
      ...(status === undefined ? {} : { status }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    });
  }
}
