// SPDX-License-Identifier: Apache-2.0
// A node of the lab: a network namespace with an uplink to the fabric, a cgroup, a directory for pins.
// Whatever runs in its host network is started here.

import type { ChildProcess, SpawnOptions } from 'node:child_process';
import type { ClientMethods } from './apps/client.ts';
import { createCgroup } from './cgroup-tree.ts';
import { addNamespaces, configureNamespace, removeNamespaces } from './netns.ts';
import type { Remote } from './rpc.ts';
import { type CommandResult, finished } from './run-command.ts';
import { type Place, spawnInside } from './spawn-inside.ts';
import { startClient } from './start-client.ts';
import {
  type AddressPair,
  NODE_SYSCTLS,
  nodeAddresses,
  nodeCommands,
  POD_INDEXES,
  podAddresses,
  podCommands,
  podUplinkCommands,
} from './topology.ts';

export interface PodNetwork {
  readonly namespace: string;
  readonly addresses: AddressPair;
}

export class LabNode implements Place {
  /** As Kubernetes knows it: `node-1`. */
  readonly name: string;
  /** From 1. */
  readonly index: number;
  readonly namespace: string;
  readonly cgroup: string;
  /** For the agent's `--bpffs`. */
  readonly bpffs: string;
  readonly addresses: AddressPair;
  readonly #labId: string;
  readonly #podIndexes = new Map<string, number>();
  #lastPodIndex = 0;
  #client: Remote<ClientMethods> | undefined;

  constructor(labId: string, index: number, roots: { cgroup: string; bpffs: string }) {
    this.#labId = labId;
    this.index = index;
    this.name = `node-${index}`;
    this.namespace = `${labId}-${this.name}`;
    this.cgroup = `${roots.cgroup}/${this.name}`;
    this.bpffs = `${roots.bpffs}/${this.name}`;
    this.addresses = nodeAddresses(index);
  }

  /** Wants the namespace and its uplink to exist. */
  async configure(nodes: readonly number[]): Promise<void> {
    createCgroup(this.cgroup);
    await configureNamespace(this.namespace, {
      sysctls: NODE_SYSCTLS,
      commands: nodeCommands(this.index, nodes),
    });
  }

  /** A namespace for a pod, connected. @param key the pod's, unique on this node. */
  async addPodNetwork(key: string): Promise<PodNetwork> {
    const index = this.#takePodIndex(key);
    const namespace = `${this.#labId}-${this.name}-pod${index}`;
    await addNamespaces([namespace]);
    await configureNamespace(this.namespace, {
      commands: podUplinkCommands(this.index, index, namespace),
    });
    await configureNamespace(namespace, { commands: podCommands(this.index, index) });
    return { namespace, addresses: podAddresses(this.index, index) };
  }

  async removePodNetwork(key: string, { namespace }: PodNetwork): Promise<void> {
    await removeNamespaces([namespace]);
    this.#podIndexes.delete(key);
  }

  /** A client in the node's host network, whose programs the node's agent serves too; see apps/client.ts. */
  get client(): Remote<ClientMethods> {
    this.#client ??= startClient(this);
    return this.#client;
  }

  /** Starts a program in the node's host network. */
  spawn(argv: readonly string[], options: SpawnOptions = {}): ChildProcess {
    return spawnInside(this, argv, options);
  }

  /** Runs a program in the node's host network to its end. */
  run(argv: readonly string[], options: SpawnOptions = {}): Promise<CommandResult> {
    return finished(this.spawn(argv, { stdio: ['ignore', 'pipe', 'pipe'], ...options }));
  }

  /** Goes round, so that the address of a pod that has just ended is not the next one's. */
  #takePodIndex(key: string): number {
    const used = new Set(this.#podIndexes.values());
    const rotated = [
      ...POD_INDEXES.filter((index) => index > this.#lastPodIndex),
      ...POD_INDEXES.filter((index) => index <= this.#lastPodIndex),
    ];
    const free = rotated.find((index) => !used.has(index));
    if (free === undefined) throw new Error(`${this.name} has no pod address left`);
    this.#podIndexes.set(key, free);
    this.#lastPodIndex = free;
    return free;
  }
}
