// SPDX-License-Identifier: Apache-2.0
// Those who look after the node beside the tables of Services: its devices, another proxy, sockets and flows of backends
// that have left, and the ports of masqueraded flows. Each acts only once the tables are complete; agent-process.ts says
// when, and passes on what happens.

import { foreignPrograms } from '../doctor/foreign-programs.ts';
import { messageOf } from '../errors.ts';
import type { PassReport } from '../reconcile/observer.ts';
import { arePortsReserved, reservePorts } from '../sys/reserved-ports.ts';
import type { KubeProxyStatus } from '../telemetry/status.ts';
import type { AgentKernel } from './agent-kernel.ts';
import type { AgentNode } from './agent-node.ts';
import type { AgentRun } from './agent-run.ts';
import { FlowSweeper } from './flow-sweeper.ts';
import { KubeProxyWatch } from './kube-proxy-watch.ts';
import { LeftSockets } from './left-sockets.ts';
import { isPacketPathOff, PacketPathDevices } from './packet-path-devices.ts';

export interface KeepersObserver {
  /** The node is to be written anew. */
  readonly nodeChanged: () => void;
  readonly closedSockets: (count: number) => void;
  /** Programs are on so many devices again that somebody had taken off. */
  readonly putBackOnDevices: (devices: number) => void;
}

export class AgentKeepers {
  readonly devices: PacketPathDevices;
  readonly flows: FlowSweeper;
  readonly #run: AgentRun;
  readonly #kernel: AgentKernel;
  readonly #sockets: LeftSockets;
  readonly #kubeProxy: KubeProxyWatch;
  #isComplete = false;
  #portsAreReserved = false;

  constructor(run: AgentRun, kernel: AgentKernel, node: AgentNode, observer: KeepersObserver) {
    const { config, log, signal } = run;
    const { pins, tables, packetTables } = kernel;
    this.#run = run;
    this.#kernel = kernel;
    const { putBackOnDevices } = observer;
    this.devices = new PacketPathDevices(
      config.packetPath,
      () => node.facts,
      log,
      putBackOnDevices,
    );
    this.flows = new FlowSweeper({
      tables: { flows: packetTables.flows, members: tables.members },
      log,
      signal,
    });
    this.#sockets = new LeftSockets(pins, config.proc, log, observer.closedSockets);
    this.#kubeProxy = new KubeProxyWatch({
      tables: { ...tables, flows: packetTables.flows },
      cgroup: config.cgroup,
      proc: config.proc,
      masqueradePorts: config.node.masqueradePorts,
      servesPodDevices: config.packetPath.podDevices.length > 0,
      takesOver: config.takesOverFromKubeProxy,
      log,
      signal,
      onBeside: (isBeside) => {
        node.setBeside(isBeside);
        observer.nodeChanged();
      },
    });
  }

  /** Before the first write, which says to the programs whether somebody else translates, too. */
  async begin(): Promise<void> {
    await this.#kubeProxy.begin();
  }

  /** Named, never fought: what they do to connections is theirs. */
  #nameForeignPrograms(): void {
    const { config, log, warnings } = this.#run;
    try {
      const found = foreignPrograms(this.#kernel.pins, config.cgroup);
      warnings.set(
        'foreign programs',
        found.map((program) => `somebody else’s program is on a hook of ours: ${program}`),
      );
    } catch (error) {
      log.debug({ error: messageOf(error) }, 'cannot see who else is on the hooks');
    }
  }

  /** The tables are complete, and the programs on their hooks. @returns when devices are served, too. */
  async complete(): Promise<void> {
    const { config, signal } = this.#run;
    const { carryOver, pins, tables } = this.#kernel;
    if (!isPacketPathOff(config.packetPath)) this.#reservePorts();
    this.#isComplete = true;
    await this.#kubeProxy.look();
    // What the programs that are there note from the carrying on until they are replaced is missed by those that come.
    await this.devices.loaded();
    await carryOver.switchDevices(tables, () => this.devices.start(pins, tables, signal));
    this.#nameForeignPrograms();
    // For what left while no agent was there.
    this.#sockets.request();
    this.flows.request();
  }

  /** Whether the programs have been seen to work: another proxy's rules go only then. */
  async proven(isProven: boolean): Promise<void> {
    await this.#kubeProxy.proven(isProven);
  }

  /** What is there of another proxy; undefined for nothing. */
  get kubeProxyStatus(): KubeProxyStatus | undefined {
    return this.#kubeProxy.status;
  }

  /** For whoever has it look at once; undefined as long as it must not. */
  get askedKubeProxy(): KubeProxyWatch | undefined {
    return this.#isComplete ? this.#kubeProxy : undefined;
  }

  passed({ udpBackendsGone }: PassReport): void {
    this.devices.nodeChanged();
    if (udpBackendsGone === 0) return;
    this.#sockets.request();
    this.flows.request();
    this.askedKubeProxy?.backendsLeft();
  }

  audited(): void {
    this.#nameForeignPrograms();
    const { node, proc } = this.#run.config;
    // Whoever reads sysctls from files again replaces the whole list.
    if (this.#portsAreReserved && !arePortsReserved(node.masqueradePorts, proc))
      this.#reservePorts();
    this.#sockets.request();
    this.askedKubeProxy?.request();
  }

  /** After the signal of the run. @returns when none of them touches a table any more. */
  async close(): Promise<void> {
    this.#sockets.close();
    await Promise.all([this.devices.close(), this.#kubeProxy.close()]);
  }

  #reservePorts(): void {
    const { node, proc } = this.#run.config;
    this.#portsAreReserved = reservePorts(node.masqueradePorts, proc, this.#run.log);
  }
}
