// SPDX-License-Identifier: Apache-2.0
// Refusals in Kubernetes' own words: the store throws them, the API server answers them as a Status.

const REASONS = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  406: 'NotAcceptable',
  409: 'Conflict',
  410: 'Expired',
  415: 'UnsupportedMediaType',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
} as const satisfies Record<number, string>;

/** A refusal with an HTTP status code and a Kubernetes Status reason (`NotFound`, `AlreadyExists`, …). */
export class ApiError extends Error {
  readonly code: number;
  readonly reason: string;

  constructor(code: number, message: string, reason: string = reasonOf(code)) {
    super(message);
    this.name = 'ApiError';
    this.code = code;
    this.reason = reason;
  }
}

/** The Status reason that goes with an HTTP status code. */
function reasonOf(code: number): string {
  return (REASONS as Record<number, string>)[code] ?? 'Unknown';
}

export function notFound(plural: string, name: string): ApiError {
  return new ApiError(404, `${plural} "${name}" not found`);
}

export function invalid(kind: string, name: string, problem: string): ApiError {
  return new ApiError(422, `${kind} "${name}" is invalid: ${problem}`);
}
