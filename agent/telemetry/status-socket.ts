// SPDX-License-Identifier: Apache-2.0
// A UNIX socket on which the agent tells its status, one per bpffs directory. Who has the lock of the directory
// (sys/pins-lock.ts) has the socket's path.

import { mkdirSync, rmdirSync, rmSync } from 'node:fs';
import type { RequestListener, Server } from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { json } from 'node:stream/consumers';
import { EnvironmentError } from '../errors.ts';
import { http } from '../node-http.ts';
import type { Status } from './status.ts';

const RUN_DIRECTORY = '/run/signalbox';

/** An agent that is well answers within milliseconds. */
const STATUS_PATIENCE_MS = 2000;

/** Where the agent for `bpffs` listens: the directory's name makes the socket's. */
export function statusSocketPath(bpffs: string): string {
  return path.join(RUN_DIRECTORY, `${path.resolve(bpffs).slice(1).replaceAll('/', '-')}.sock`);
}

/** Answers of other paths than that of the status. */
export type Routes = Readonly<Record<string, RequestListener>>;

/**
 * Serves `status`, and `routes` by their path, until the server is closed. For who has the lock of `bpffs`.
 *
 * @throws EnvironmentError when it cannot.
 */
export async function serveStatus(
  bpffs: string,
  status: () => Status,
  routes: Routes = {},
): Promise<Server> {
  const server = http.createServer((request, response) => {
    const route = Object.hasOwn(routes, request.url ?? '') && routes[request.url ?? ''];
    if (route) return route(request, response);
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify(status()));
  });
  mkdirSync(RUN_DIRECTORY, { recursive: true, mode: 0o700 });
  // Whoever has the lock is alone: what lies at the path was left by an agent that was killed.
  rmSync(statusSocketPath(bpffs), { force: true });
  await listen(server, statusSocketPath(bpffs));
  return server;
}

function listen(server: net.Server, socketPath: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      reject(new EnvironmentError(`cannot listen on ${socketPath}: ${cause.message}`, { cause }));
    });
    server.listen(socketPath, resolve);
  });
}

/** Removes what a killed agent left, and the directory behind the last of them. */
export function removeStatusSocket(bpffs: string): void {
  rmSync(statusSocketPath(bpffs), { force: true });
  try {
    rmdirSync(RUN_DIRECTORY);
  } catch (error) {
    if (!['ENOENT', 'ENOTEMPTY'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

/** The kernel accepts for a process that listens, whatever that process does; nobody listens for a dead one. */
export function isListening(bpffs: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(statusSocketPath(bpffs));
    socket.on('error', () => resolve(false));
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

/** @returns undefined when no agent answers for `bpffs`. */
export function fetchStatus(bpffs: string): Promise<Status | undefined> {
  return requestJson(bpffs, { method: 'GET', path: '/status', patienceMs: STATUS_PATIENCE_MS });
}

export interface SocketRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** How long the agent may take without a word, in milliseconds. */
  readonly patienceMs: number;
}

/**
 * Asks the agent for `bpffs`.
 *
 * @returns what it answers, as it stands: both ends are of one build. undefined when there is none, when it does not
 * answer in time, or with anything but 200 and JSON.
 */
export function requestJson<T>(
  bpffs: string,
  { method, path: at, patienceMs }: SocketRequest,
): Promise<T | undefined> {
  return new Promise((resolve) => {
    const nothing = () => resolve(undefined);
    const request = http.request({
      socketPath: statusSocketPath(bpffs),
      path: at,
      method,
      timeout: patienceMs,
    });
    request.on('timeout', () => request.destroy());
    request.on('error', nothing);
    request.on('response', (response) => {
      if (response.statusCode === 200) json(response).then((body) => resolve(body as T), nothing);
      else nothing();
    });
    request.end();
  });
}
