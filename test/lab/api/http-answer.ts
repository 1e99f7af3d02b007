// SPDX-License-Identifier: Apache-2.0
// The HTTP side of requests and answers: bodies in, bodies out, documents that belong to no resource.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { ApiError } from '../api-error.ts';
import { discover } from './discovery.ts';
import { openApi } from './openapi.ts';

export type Answer = { readonly status?: number; readonly body: string | Iterable<string> };

const HEALTH_PATHS = ['/healthz', '/livez', '/readyz'];

export function sendDocument(path: string, accept: string, response: ServerResponse): void {
  if (HEALTH_PATHS.includes(path)) {
    response.end('ok');
    return;
  }
  const document = discover(path, accept);
  const body = document?.body ?? openApi(path);
  if (!body) throw new ApiError(404, 'the server could not find the requested resource');
  send(response, { body: JSON.stringify(body) }, document?.contentType);
}

export function send(
  response: ServerResponse,
  { status = 200, body }: Answer,
  contentType = 'application/json',
): void {
  response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-cache, private' });
  if (typeof body === 'string') {
    response.end(body);
    return;
  }
  for (const piece of body) response.write(piece);
  response.end();
}

export async function readBody(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString('utf8');
}
