// SPDX-License-Identifier: Apache-2.0
// The network between the nodes, and the lab's hold on it: a small process inside the fabric's namespace
// that opens sockets for the lab and asks pods for their health.

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type net from 'node:net';
import { fileURLToPath } from 'node:url';
import type { ClientMethods } from './apps/client.ts';
import type { FabricMethods } from './fabric-process.ts';
import type { LabNode } from './lab-node.ts';
import { addNamespaces, configureNamespace } from './netns.ts';
import { Remote } from './rpc.ts';
import { type Place, spawnInside } from './spawn-inside.ts';
import { startClient } from './start-client.ts';
import { FORWARDING, fabricCommands } from './topology.ts';

const PROGRAM = fileURLToPath(new URL('fabric-process.ts', import.meta.url));

export class Fabric {
  readonly #place: Place;
  readonly #child: ChildProcess;
  readonly #remote: Remote<FabricMethods>;
  #client: Remote<ClientMethods> | undefined;

  private constructor(place: Place) {
    this.#place = place;
    this.#child = spawnInside(place, [process.execPath, PROGRAM], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#remote = new Remote(this.#child);
  }

  /** Makes the namespaces of the fabric and of the nodes and connects them. @param cgroup for its process. */
  static async connect(
    namespace: string,
    cgroup: string,
    nodes: readonly LabNode[],
  ): Promise<Fabric> {
    await addNamespaces([namespace, ...nodes.map((node) => node.namespace)]);
    const fabric = new Fabric({ namespace, cgroup });
    await configureNamespace(namespace, { sysctls: FORWARDING, commands: fabricCommands(nodes) });
    const indexes = nodes.map((node) => node.index);
    await Promise.all(nodes.map((node) => node.configure(indexes)));
    return fabric;
  }

  /** A TCP server that listens in the fabric's namespace, and accepts in this process. */
  listen(host: string, port: number): Promise<net.Server> {
    return this.#remote.call('listen', { host, port });
  }

  /** An HTTP request from the fabric, which reaches all nodes and pods. @returns whether it went well: 2xx or 3xx. */
  async request(url: string, { method = 'GET', timeoutMs = 1_000 } = {}): Promise<boolean> {
    const status = await this.#remote.call('httpStatus', { url, timeoutMs, method });
    return status >= 200 && status < 400;
  }

  /** A client in the fabric's namespace, which no agent serves; see apps/client.ts. */
  get client(): Remote<ClientMethods> {
    this.#client ??= startClient(this.#place);
    return this.#client;
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    if (this.#child.connected) this.#child.disconnect();
    await ended;
  }
}
