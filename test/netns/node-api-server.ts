// SPDX-License-Identifier: Apache-2.0
// The lab's API server for one TestNode: it runs in the test's process, so that a test changes objects by a
// call and knows when it did, and is reached inside the node's namespace, by a proxy that can do everything wrong.

import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import type { Server } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ApiServer } from '../lab/api-server.ts';
import type { FabricMethods } from '../lab/fabric-process.ts';
import { FaultyProxy } from '../lab/faulty-proxy.ts';
import { kubeconfig } from '../lab/kubeconfig.ts';
import { ObjectStore } from '../lab/object-store.ts';
import { Remote } from '../lab/rpc.ts';
import type { TestNode } from './test-node.ts';

const LISTENER = fileURLToPath(new URL('../lab/fabric-process.ts', import.meta.url));
const HOST = '127.0.0.1';
const PORT = 6443;

export interface NodeApiServer {
  readonly store: ObjectStore;
  readonly server: ApiServer;
  /** Flags by which the node's agent finds it. */
  readonly flags: readonly string[];
  /** Before the node is closed. */
  close(): Promise<void>;
}

/** One whose requests come by a proxy. */
export interface ProxiedApiServer extends NodeApiServer {
  readonly proxy: FaultyProxy;
}

export async function serveApi(node: TestNode): Promise<NodeApiServer> {
  const store = new ObjectStore();
  const server = new ApiServer(store);
  const listener = await listenOn(node);
  await server.listen(listener.server);
  return { store, server, flags: flagsOf(node), close: () => closeBoth(server, listener) };
}

export async function serveProxiedApi(node: TestNode): Promise<ProxiedApiServer> {
  const store = new ObjectStore();
  const server = new ApiServer(store);
  const proxy = new FaultyProxy(await server.listen({ host: HOST, port: 0 }));
  const listener = await listenOn(node);
  proxy.accept(listener.server);
  const close = async () => {
    proxy.hangUp();
    await closeBoth(server, listener);
  };
  return { store, server, proxy, flags: flagsOf(node), close };
}

interface Listener {
  readonly server: Server;
  readonly child: ChildProcess;
}

/** Listens inside the node's namespace. */
async function listenOn(node: TestNode): Promise<Listener> {
  const child = node.spawn([process.execPath, LISTENER], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const where = { host: HOST, port: PORT };
  return { server: await new Remote<FabricMethods>(child).call('listen', where), child };
}

function flagsOf(node: TestNode): readonly string[] {
  const file = path.join(node.directory, 'kubeconfig');
  writeFileSync(file, kubeconfig(`http://${HOST}:${PORT}`));
  return ['--kubeconfig', file];
}

async function closeBoth(api: ApiServer, { server, child }: Listener): Promise<void> {
  await api.close();
  server.close();
  if (child.connected) child.disconnect();
}
