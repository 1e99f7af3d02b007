// SPDX-License-Identifier: Apache-2.0
// Keeps the packet path's programs on the devices of the node, as these come and go, from the moment that the
// tables are complete. Part of the agent. Without the packet path the sockets are served all the same: what goes
// wrong here is logged and shown, and ends nothing.

import type { AgentConfig } from '../config/agent-config.ts';
import { messageOf } from '../errors.ts';
import type { NodeFacts } from '../model/node-facts.ts';
import {
  type PacketPathReport,
  reconcilePacketPath,
  withoutGone,
} from '../reconcile/packet-path.ts';
import { inSlices } from '../reconcile/slices.ts';
import type { Tables } from '../sys/datapath.ts';
import { type Doorbell, followNetlink } from '../sys/doorbell.ts';
import type { HeldPins } from '../sys/held-pins.ts';
import { DEVICE_GROUPS, readNetworkDevices } from '../sys/network-devices.ts';
import { PacketPrograms, packetAttachments, removePacketPrograms } from '../sys/packet-programs.ts';
import type { Pins } from '../sys/pins.ts';
import type { Logger } from '../telemetry/log.ts';

type PacketPathConfig = AgentConfig['packetPath'];

/** Whether no device is to have the programs. */
export function isPacketPathOff({
  devices,
  podDevices,
}: Pick<PacketPathConfig, 'devices' | 'podDevices'>): boolean {
  return devices?.length === 0 && podDevices.length === 0;
}

/** What goes on without this agent's programs. */
function packetAttachedInWords(pins: Pins): string {
  try {
    const devices = packetAttachments(pins).size;
    return devices === 0
      ? ''
      : `programs of an agent before this one stay on ${devices} devices, as this one’s are refused: `;
  } catch {
    return '';
  }
}

const NOTHING: PacketPathReport = { devices: [], missing: [], awaited: [], problems: [] };

export class PacketPathDevices {
  readonly #config: PacketPathConfig;
  readonly #facts: () => NodeFacts;
  readonly #log: Logger;
  readonly #onPutBack: (devices: number) => void;
  #programs: PacketPrograms | undefined;
  #loading: Promise<PacketPrograms> | undefined;
  #doorbell: Doorbell | undefined;
  /** What the last look was made with. */
  #lookedWith: NodeFacts | undefined;
  #report = NOTHING;
  /** What has been told of each device, so that it is told once. */
  #told = new Map<string, string>();

  /**
   * @param facts asked anew with each look.
   * @param onPutBack programs that somebody had taken off so many devices are there again.
   */
  constructor(
    config: PacketPathConfig,
    facts: () => NodeFacts,
    log: Logger,
    onPutBack: (devices: number) => void,
  ) {
    this.#config = config;
    this.#facts = facts;
    this.#log = log;
    this.#onPutBack = onPutBack;
  }

  /** What is pinned of it. */
  get held(): HeldPins | undefined {
    return this.#programs?.held;
  }

  /** For what nothing rings for: somebody has taken a program off a device. */
  lookAnew(): void {
    try {
      if (this.#programs?.areInPlace === false) this.#doorbell?.ring();
    } catch (error) {
      this.#log.warn({ error: messageOf(error) }, 'cannot look whether devices have the programs');
    }
  }

  /** What the last look made of the devices. */
  get report(): PacketPathReport {
    return this.#report;
  }

  /** Begins to load the programs, which {@link start} waits for. The tables must be pinned. */
  load(pins: Pins): void {
    if (isPacketPathOff(this.#config)) return;
    this.#loading = PacketPrograms.loadInBackground(pins, this.#config.attachMode);
    // Told when they are needed.
    this.#loading.catch(() => {});
  }

  /** @returns when {@link start} has not to wait for them any more. */
  async loaded(): Promise<void> {
    await this.#loading?.catch(() => {});
  }

  /**
   * Attaches the programs, and follows the devices until `signal` aborts. Only once the tables are complete.
   *
   * @returns when the programs are on the devices that are there.
   */
  async start(pins: Pins, tables: Pick<Tables, 'devices'>, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    let programs: PacketPrograms;
    try {
      // Even programs that this kernel does not take must not be in the way of doing without them.
      if (isPacketPathOff(this.#config)) {
        removePacketPrograms(pins);
        tables.devices.delete(tables.devices.entries().map(([ifindex]) => ifindex));
        return;
      }
      if (!this.#loading) this.load(pins);
      programs = await (this.#loading as Promise<PacketPrograms>);
    } catch (error) {
      const problem = packetAttachedInWords(pins) + messageOf(error);
      this.#log.error({ error: problem }, 'the packet path is not served by this agent');
      this.#report = { ...NOTHING, problems: [problem] };
      return;
    }
    if (signal.aborted) return;
    this.#programs = programs;
    this.#doorbell = followNetlink({
      groups: DEVICE_GROUPS,
      subject: 'devices',
      look: () => this.#look(tables, programs),
      log: this.#log,
      signal,
    });
    await this.#doorbell.idle();
  }

  /** Has the devices looked at soon. */
  ring(): void {
    this.#doorbell?.ring();
  }

  /** To be called when what is known of the node may have changed. */
  nodeChanged(): void {
    if (this.#doorbell && this.#facts() !== this.#lookedWith) this.#doorbell.ring();
  }

  /** Gives the descriptors back, after the signal that ends it; what is attached stays. */
  async close(): Promise<void> {
    await this.#doorbell?.idle();
    const programs = await this.#loading?.catch(() => undefined);
    this.#programs = undefined;
    programs?.close();
  }

  async #look(tables: Pick<Tables, 'devices'>, programs: PacketPrograms): Promise<void> {
    const facts = this.#facts();
    this.#lookedWith = facts;
    const { devices, podDevices } = this.#config;
    const { nodeIPs, clusterCIDRs } = facts;
    const rules = { devices, podDevices, nodeIPs, clusterCIDRs };
    const report = await inSlices(
      reconcilePacketPath(readNetworkDevices(), rules, tables.devices, programs),
    );
    const hasRefused = report.devices.some(({ problem }) => problem !== undefined);
    this.#report = hasRefused ? withoutGone(report, readNetworkDevices()) : report;
    this.#tell();
    const putBack = programs.takePutBack();
    if (putBack.length === 0) return;
    this.#log.warn(
      { devices: putBack },
      'somebody had taken programs off devices, or replaced them; put back',
    );
    this.#onPutBack(putBack.length);
  }

  #tell(): void {
    const told = new Map<string, string>();
    const tell = (key: string, text: string, say: () => void) => {
      told.set(key, text);
      if (this.#told.get(key) !== text) say();
    };
    for (const { ifindex, name, choice, attached, problem } of this.#report.devices) {
      if (!('role' in choice)) continue;
      const { role, framing } = choice;
      const key = `device ${ifindex}`;
      if (problem !== undefined) {
        tell(key, problem, () =>
          this.#log.error(
            { device: name, error: problem },
            'a device is not served; it will be tried again',
          ),
        );
      } else {
        tell(key, `${name} ${role} ${framing} ${attached}`, () =>
          this.#log.info({ device: name, role, framing, attached }, 'serving a device'),
        );
      }
    }
    for (const name of this.#report.missing) {
      tell(`name ${name}`, name, () => this.#log.warn({ device: name }, 'no device has this name'));
    }
    for (const name of this.#report.awaited) {
      tell(`name ${name}`, name, () =>
        this.#log.info({ device: name }, 'a device of pods is not there yet'),
      );
    }
    for (const problem of this.#report.problems) {
      tell(problem, problem, () => this.#log.error({ error: problem }, 'packet path'));
    }
    this.#told = told;
  }
}
