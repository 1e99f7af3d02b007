// SPDX-License-Identifier: Apache-2.0
// An API server inside a TestNode's namespace that says what a test wants it to: lists of given objects, and for other
// requests whatever the test answers. Used by tests of what an API server should not say.

import type { ChildProcess } from 'node:child_process';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Server } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { FabricMethods } from '../lab/fabric-process.ts';
import type { KubeObject } from '../lab/kube-object.ts';
import { Remote } from '../lab/rpc.ts';
import type { TestNode } from './test-node.ts';

const LISTENER = fileURLToPath(new URL('../lab/fabric-process.ts', import.meta.url));

export type Reply = (response: ServerResponse, url: URL, request: IncomingMessage) => void;

export interface ScriptedApi {
  /** Of every request: method, path, headers and body. */
  readonly requests: readonly string[];
  close(): void;
}

const KINDS: Readonly<Record<string, string>> = {
  '/api/v1/services': 'Service',
  '/apis/discovery.k8s.io/v1/endpointslices': 'EndpointSlice',
};

/** @param other answers what is no list or watch of Services and slices. */
export async function serveScript(
  node: TestNode,
  port: number,
  objects: readonly KubeObject[],
  other: Reply,
): Promise<ScriptedApi> {
  const requests: string[] = [];
  const http = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const body = (await request.setEncoding('utf8').toArray()).join('');
    requests.push(`${request.method} ${request.url} ${JSON.stringify(request.headers)} ${body}`);
    const kind = KINDS[url.pathname];
    if (!kind || request.method !== 'GET') other(response, url, request);
    else if (url.searchParams.has('watch')) response.writeHead(200).flushHeaders();
    else response.end(listOf(objects.filter((object) => object.kind === kind)));
  });
  const child: ChildProcess = node.spawn([process.execPath, LISTENER], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const where = { host: '127.0.0.1', port };
  const listener = (await new Remote<FabricMethods>(child).call('listen', where)) as Server;
  listener.on('connection', (socket) => http.emit('connection', socket));
  return {
    requests,
    close() {
      http.closeAllConnections();
      listener.close();
      if (child.connected) child.disconnect();
    },
  };
}

function listOf(items: readonly unknown[]): string {
  return JSON.stringify({ kind: 'List', metadata: { resourceVersion: '1' }, items });
}
