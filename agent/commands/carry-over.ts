// SPDX-License-Identifier: Apache-2.0
// From the tables of another build, or of another size, to this one's: what cannot be made again from the cluster is
// carried over before the programs are switched, while they are, and after that. Made by agent-kernel.ts when tables are
// opened; agent-process.ts says when. Where there is nothing but this build's own, none of it does anything.
//
// Each step may be made again, and the next start makes all of them again: whenever the agent is ended, nothing is lost.

import { carryTables } from '../sys/carry.ts';
import { type CarrySource, carrySources, readLinkedPrograms } from '../sys/carry-source.ts';
import { attachments, PINNED_MAPS, type Tables } from '../sys/datapath.ts';
import { MAPS, NodeFlags } from '../sys/layout.gen.ts';
import { KernelError } from '../sys/libbpf/kernel-error.ts';
import { packetAttachments } from '../sys/packet-programs.ts';
import { mapIdAt, type Pins } from '../sys/pins.ts';
import type { Logger } from '../telemetry/log.ts';

const FLOWS = [MAPS.flows.name];
/** What programs on sockets write, and those on devices in part. */
const OF_SOCKETS = [MAPS.affinities, MAPS.udpBackends, MAPS.udpServices].map(({ name }) => name);

export class CarryOver {
  readonly #pins: Pins;
  readonly #log: Logger;
  readonly #sources: readonly CarrySource[];

  private constructor(pins: Pins, log: Logger, sources: readonly CarrySource[]) {
    this.#pins = pins;
    this.#log = log;
    this.#sources = sources;
  }

  /**
   * Carries for the first time: the ids of service ports must be there before anybody reads them.
   *
   * @param made pins that were not there before this process made them.
   */
  static begin(pins: Pins, made: ReadonlySet<string>, log: Logger): CarryOver {
    const carryOver = new CarryOver(pins, log, sourcesOf(pins, made, log));
    carryOver.#carry({ onlyNew: true, tables: [MAPS.servicePorts.name] });
    return carryOver;
  }

  /** @param switched puts this build's programs on sockets, in place of the others. What it throws is thrown. */
  switchSockets(switched: () => void): void {
    this.#carry({ onlyNew: false, tables: OF_SOCKETS });
    switched();
    // What the new ones have written meanwhile is newer than what the others had.
    this.#carry({ onlyNew: true, tables: OF_SOCKETS });
  }

  /** {@link switchSockets}, on devices. */
  async switchDevices(
    { nodes }: Pick<Tables, 'nodes'>,
    switched: () => Promise<void>,
  ): Promise<void> {
    if (this.#sources.length === 0) {
      await switched();
      return;
    }
    this.#setCarrying(nodes, true);
    try {
      this.#carry({ onlyNew: true, tables: OF_SOCKETS });
      // Next to the switch on both sides: an answer whose flow is not carried yet is lost, if it is a datagram.
      this.#carry({ onlyNew: false, tables: FLOWS });
      await switched();
      this.#carry({ onlyNew: true, tables: FLOWS });
      this.#carry({ onlyNew: true, tables: OF_SOCKETS });
    } finally {
      this.#setCarrying(nodes, false);
    }
  }

  #carry(how: { onlyNew: boolean; tables: readonly string[] }): void {
    if (this.#sources.length === 0) return;
    for (const { table, from, ...came } of carryTables(this.#pins, this.#sources, how)) {
      if (came.problem !== undefined) {
        this.#log.warn({ table, from, ...came }, 'not all of an older table is carried over');
      } else if (came.carried > 0) {
        this.#log.info({ table, from, ...came }, 'an older table is carried over');
      }
    }
  }

  /**
   * Programs of this build then drop TCP that belongs to no flow, for a moment. Whoever writes the node next, at the next
   * start at the latest, takes the flag away, too.
   */
  #setCarrying(nodes: Tables['nodes'], isCarrying: boolean): void {
    try {
      const node = nodes.get(0);
      if (!node) return;
      const others = node.flags & ~NodeFlags.CARRYING;
      const flags = isCarrying ? others | NodeFlags.CARRYING : others;
      const [refused] = nodes.put([[0, { ...node, flags }]]);
      if (refused) throw refused.error;
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      this.#log.warn(
        { error: error.message, isCarrying },
        'cannot tell the programs of the carrying',
      );
    }
  }
}

function sourcesOf(pins: Pins, made: ReadonlySet<string>, log: Logger): CarrySource[] {
  if (pins.otherMaps(PINNED_MAPS).length === 0) return [];
  try {
    const names = PINNED_MAPS.filter((spec) => made.has(pins.map(spec))).map(({ name }) => name);
    return carrySources(pins, [...programsAtWork(pins).keys()], new Set(names));
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    log.error(
      { error: error.message },
      'cannot see which older tables are in use; none is carried over',
    );
    return [];
  }
}

/** Ids of programs that hooks and devices run, and where. @throws KernelError */
function programsAtWork(pins: Pins): Map<number, string> {
  const programs = new Map<number, string>();
  for (const { hook, programId } of attachments(pins)) {
    if (programId !== 0) programs.set(programId, `hook ${hook}`);
  }
  for (const [ifindex, { ingress, egress }] of packetAttachments(pins)) {
    for (const programId of [ingress, egress])
      if (programId !== undefined) programs.set(programId, `device ${ifindex}`);
  }
  return programs;
}

/**
 * Where programs are at work that go by another build's tables, which nobody writes any more: none, once all of them have
 * been replaced.
 */
export function onOtherTables(pins: Pins): string[] {
  const others = new Set(pins.otherMaps(PINNED_MAPS).flatMap((pin) => mapIdAt(pin) ?? []));
  if (others.size === 0) return [];
  const places = [...programsAtWork(pins)]
    .filter(([id]) => !readLinkedPrograms([id]).mapIds.isDisjointFrom(others))
    .map(([, place]) => place);
  return [...new Set(places)];
}
