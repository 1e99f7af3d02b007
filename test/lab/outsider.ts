// SPDX-License-Identifier: Apache-2.0
// Somebody outside of the cluster, behind the fabric: a network namespace of its own and no agent. Its
// processes are in the lab's cgroup, beside those of the nodes, so that no program on a socket hook sees them.

import type { ClientMethods } from './apps/client.ts';
import { configureNamespace } from './netns.ts';
import type { Remote } from './rpc.ts';
import { type CommandResult, finished } from './run-command.ts';
import { type Place, spawnInside } from './spawn-inside.ts';
import { startClient } from './start-client.ts';
import { type AddressPair, outsiderAddresses, outsiderCommands } from './topology.ts';

export class Outsider implements Place {
  /** From 1. */
  readonly index: number;
  readonly name: string;
  readonly namespace: string;
  readonly cgroup: string;
  readonly addresses: AddressPair;
  #client: Remote<ClientMethods> | undefined;

  /** @param cgroup one that no agent serves. */
  constructor(labId: string, index: number, cgroup: string) {
    this.index = index;
    this.name = `outside-${index}`;
    this.namespace = `${labId}-${this.name}`;
    this.cgroup = cgroup;
    this.addresses = outsiderAddresses(index);
  }

  /** Wants the namespace and its link to exist. */
  async configure(): Promise<void> {
    await configureNamespace(this.namespace, { commands: outsiderCommands(this.index) });
  }

  /** See apps/client.ts. */
  get client(): Remote<ClientMethods> {
    this.#client ??= startClient(this);
    return this.#client;
  }

  /** Runs a program to its end. */
  run(argv: readonly string[]): Promise<CommandResult> {
    return finished(spawnInside(this, argv, { stdio: ['ignore', 'pipe', 'pipe'] }));
  }
}
