// SPDX-License-Identifier: Apache-2.0
// A UNIX socket on which the agent tells its status, one per bpffs directory. It doubles as the lock that
// keeps two agents from the same tables.

import { mkdirSync, rmdirSync, rmSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { EnvironmentError } from '../errors.ts';
import type { Status } from './status.ts';

const RUN_DIRECTORY = '/run/signalbox';

/** Where the agent for `bpffs` listens: the directory's name makes the socket's. */
export function statusSocketPath(bpffs: string): string {
  return path.join(RUN_DIRECTORY, `${path.resolve(bpffs).slice(1).replaceAll('/', '-')}.sock`);
}

/** Answers of other paths than that of the status. */
export type Routes = Readonly<Record<string, http.RequestListener>>;

/**
 * Serves `status`, and `routes` by their path, until the server is closed.
 *
 * @throws EnvironmentError when another agent serves there.
 */
export async function serveStatus(
  bpffs: string,
  status: () => Status,
  routes: Routes = {},
): Promise<http.Server> {
  const socketPath = statusSocketPath(bpffs);
  const other = await findAgent(bpffs);
  if (other !== undefined) {
    throw new EnvironmentError(`another agent (${other}) keeps the tables in ${bpffs}`, {
      hint: 'stop it first, or give this one tables of its own with --bpffs DIR',
    });
  }
  mkdirSync(RUN_DIRECTORY, { recursive: true, mode: 0o700 });
  // Nobody answered there: what lies at the path was left by an agent that was killed.
  rmSync(socketPath, { force: true });
  const server = http.createServer((request, response) => {
    const route = Object.hasOwn(routes, request.url ?? '') && routes[request.url ?? ''];
    if (route) return route(request, response);
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify(status()));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      reject(new EnvironmentError(`cannot listen on ${socketPath}: ${cause.message}`, { cause }));
    });
    server.listen(socketPath, resolve);
  });
  return server;
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

/**
 * The agent that keeps the tables in `bpffs`, in words; one that is stopped or too busy to answer keeps them too.
 *
 * @returns undefined when there is none.
 */
export async function findAgent(bpffs: string): Promise<string | undefined> {
  const status = await fetchStatus(bpffs);
  if (status) return `pid ${status.pid}`;
  return (await accepts(statusSocketPath(bpffs))) ? 'one that does not answer' : undefined;
}

/** The kernel accepts for a process that listens, whatever that process does; nobody listens for a dead one. */
function accepts(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(socketPath);
    socket.on('error', () => resolve(false));
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

/** @returns undefined when no agent answers for `bpffs`. */
export async function fetchStatus(bpffs: string): Promise<Status | undefined> {
  return new Promise((resolve) => {
    const request = http.get({
      socketPath: statusSocketPath(bpffs),
      path: '/status',
      timeout: 2000,
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(undefined));
    request.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve(JSON.parse(text) as Status));
      response.on('error', () => resolve(undefined));
    });
  });
}
