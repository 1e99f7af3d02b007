// SPDX-License-Identifier: Apache-2.0
// The network between the nodes, and the lab's hold on it: a small process inside the fabric's namespace
// that opens sockets for the lab and asks pods for their health.

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type net from 'node:net';
import { fileURLToPath } from 'node:url';
import type { FabricMethods } from './fabric-process.ts';
import type { LabNode } from './lab-node.ts';
import { addNamespaces, configureNamespace } from './netns.ts';
import type { Outsider } from './outsider.ts';
import { Remote } from './rpc.ts';
import { type Place, spawnInside } from './spawn-inside.ts';
import { FORWARDING, fabricCommands, outsiderUplinkCommands, routeCommand } from './topology.ts';

const PROGRAM = fileURLToPath(new URL('fabric-process.ts', import.meta.url));

export class Fabric {
  readonly #place: Place;
  readonly #child: ChildProcess;
  readonly #remote: Remote<FabricMethods>;

  private constructor(place: Place) {
    this.#place = place;
    this.#child = spawnInside(place, [process.execPath, PROGRAM], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#remote = new Remote(this.#child);
  }

  /** Makes the namespaces of the fabric, the nodes and outsiders and connects them. @param cgroup for its process. */
  static async connect(
    namespace: string,
    cgroup: string,
    nodes: readonly LabNode[],
    outsiders: readonly Outsider[],
  ): Promise<Fabric> {
    await addNamespaces([namespace, ...[...nodes, ...outsiders].map((each) => each.namespace)]);
    const fabric = new Fabric({ namespace, cgroup });
    const commands = [
      ...fabricCommands(nodes),
      ...outsiders.flatMap((each) => outsiderUplinkCommands(each.index, each.namespace)),
    ];
    await configureNamespace(namespace, { sysctls: FORWARDING, commands });
    const indexes = nodes.map((node) => node.index);
    await Promise.all([
      ...nodes.map((node) => node.configure(indexes)),
      ...outsiders.map((outsider) => outsider.configure()),
    ]);
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

  /** Takes packets to `address` to a node from now on, whichever had them before. */
  async route(address: string, { index }: LabNode): Promise<void> {
    const { namespace } = this.#place;
    await configureNamespace(namespace, { commands: [routeCommand(address, index)] });
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    if (this.#child.connected) this.#child.disconnect();
    await ended;
  }
}
