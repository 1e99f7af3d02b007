// SPDX-License-Identifier: Apache-2.0
// The kernel's side of the agent: the tables, and the programs on the hooks of the cgroup. Opened by agent-process.ts when
// no other agent keeps them; closing gives descriptors back and leaves all of it at work.

import type { AgentConfig } from '../config/agent-config.ts';
import { EnvironmentError, messageOf } from '../errors.ts';
import { attachments, openTables, PINNED_MAPS, Programs, type Tables } from '../sys/datapath.ts';
import type { HeldPins } from '../sys/held-pins.ts';
import { KernelError } from '../sys/libbpf/kernel-error.ts';
import { netnsCookie } from '../sys/libbpf/netns.ts';
import { openPacketTables, type PacketTables } from '../sys/packet-tables.ts';
import { Pins } from '../sys/pins.ts';
import type { Logger } from '../telemetry/log.ts';
import { CarryOver, onOtherTables } from './carry-over.ts';

export class AgentKernel {
  readonly pins: Pins;
  readonly tables: Tables;
  readonly packetTables: PacketTables;
  readonly carryOver: CarryOver;
  readonly #programs: Programs;
  readonly #cgroup: string;
  readonly #log: Logger;

  private constructor(
    opened: Pick<AgentKernel, 'pins' | 'tables' | 'packetTables' | 'carryOver'> & {
      readonly programs: Programs;
    },
    cgroup: string,
    log: Logger,
  ) {
    this.pins = opened.pins;
    this.tables = opened.tables;
    this.packetTables = opened.packetTables;
    this.carryOver = opened.carryOver;
    this.#programs = opened.programs;
    this.#cgroup = cgroup;
    this.#log = log;
  }

  /**
   * Makes what is not there yet, with what of it another build has; puts nothing to work. This thread goes on while the
   * programs are verified. Rejects with KernelError, EnvironmentError.
   */
  static async open(
    { bpffs, cgroup, tableSizes }: Pick<AgentConfig, 'bpffs' | 'cgroup' | 'tableSizes'>,
    log: Logger,
  ): Promise<AgentKernel> {
    const pins = new Pins(bpffs, tableSizes);
    const opened: { close(): void }[] = [];
    const opening = <T extends { close(): void }>(part: T): T => {
      opened.push(part);
      return part;
    };
    try {
      const made = new Set(pins.missingMaps(PINNED_MAPS));
      const programs = opening(await loadPrograms(pins));
      // Before anybody reads the tables.
      const carryOver = CarryOver.begin(pins, made, log);
      const tables = opening(openTables(pins));
      warnOfOtherNamespace(tables, bpffs, log);
      const packetTables = opening(openPacketTables(pins));
      return new AgentKernel({ pins, programs, tables, packetTables, carryOver }, cgroup, log);
    } catch (error) {
      for (const part of opened) part.close();
      throw error;
    }
  }

  /** The pins of the tables, and of the programs on hooks. */
  get held(): HeldPins {
    return this.#programs.held;
  }

  /** On which our programs are no more, although {@link attach} has put them there. @throws KernelError */
  displacedHooks(): readonly string[] {
    return this.#programs.displaced(this.#cgroup);
  }

  /** Puts the programs to work: only once the tables are complete. @throws KernelError */
  attach(): void {
    this.#programs.attach(this.#cgroup);
  }

  /**
   * Of other builds: once programs with today's tables are on every hook and device in place of theirs.
   *
   * @returns where others are still, in words; then all tables stay.
   */
  removeOlderTables(): readonly string[] {
    let places: readonly string[];
    try {
      places = onOtherTables(this.pins);
    } catch (error) {
      return [`older tables stay, as it cannot be seen who uses them: ${messageOf(error)}`];
    }
    if (places.length > 0) {
      return [
        `programs of another version are still on ${places.join(', ')}, and go by tables that nobody brings up to date: ` +
          'they lead to backends of then. Go back to that version, or mend what is said of the packet path',
      ];
    }
    for (const pin of this.pins.removeOtherMaps(PINNED_MAPS))
      this.#log.info({ pin }, 'removed an older table');
    return [];
  }

  /** Whoever uses the tables must have ended: their descriptors may be somebody else's at once. */
  close(): void {
    this.tables.close();
    this.packetTables.close();
    this.#programs.close();
  }
}

/** What is at work stays, whatever the kernel says to these programs. */
async function loadPrograms(pins: Pins): Promise<Programs> {
  try {
    return await Programs.loadInBackground(pins);
  } catch (error) {
    if (!(error instanceof KernelError) || !isAtWork(pins)) throw error;
    throw new EnvironmentError(error.message, {
      cause: error,
      hint:
        `${error.hint === undefined ? '' : `${error.hint}; `}the programs of the agent before this one go on with the ` +
        'tables as they are, which nobody brings up to date: go back to its version if this one is refused again',
    });
  }
}

function isAtWork(pins: Pins): boolean {
  try {
    return attachments(pins).some(({ programId }) => programId !== 0);
  } catch {
    return false;
  }
}

function warnOfOtherNamespace({ nodes }: Tables, bpffs: string, log: Logger): void {
  const { netnsCookie: cookieBefore = 0n } = nodes.get(0) ?? {};
  if (cookieBefore === 0n || cookieBefore === netnsCookie()) return;
  log.warn(
    { bpffs, hint: 'it must be the one of the host (hostNetwork)' },
    'the agent before this one was in another network namespace; devices are served in this one now, and there no more',
  );
}
