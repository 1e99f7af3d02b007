// SPDX-License-Identifier: Apache-2.0
// The lab's API server for one TestNode: it runs in the test's process, so that a test changes objects by a
// call and knows when it did, and is reached inside the node's namespace.

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ApiServer } from '../lab/api-server.ts';
import type { FabricMethods } from '../lab/fabric-process.ts';
import { kubeconfig } from '../lab/kubeconfig.ts';
import { ObjectStore } from '../lab/object-store.ts';
import { Remote } from '../lab/rpc.ts';
import type { TestNode } from './test-node.ts';

const LISTENER = fileURLToPath(new URL('../lab/fabric-process.ts', import.meta.url));
const HOST = '127.0.0.1';
const PORT = 6443;

export interface NodeApiServer {
  readonly store: ObjectStore;
  /** Flags by which the node's agent finds it. */
  readonly flags: readonly string[];
  /** Before the node is closed. */
  close(): Promise<void>;
}

export async function serveApi(node: TestNode): Promise<NodeApiServer> {
  const store = new ObjectStore();
  const api = new ApiServer(store);
  const child = node.spawn([process.execPath, LISTENER], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const server = await new Remote<FabricMethods>(child).call('listen', { host: HOST, port: PORT });
  await api.listen(server);
  const file = path.join(node.directory, 'kubeconfig');
  writeFileSync(file, kubeconfig(`http://${HOST}:${PORT}`));
  return {
    store,
    flags: ['--kubeconfig', file],
    async close() {
      await api.close();
      server.close();
      if (child.connected) child.disconnect();
    },
  };
}
