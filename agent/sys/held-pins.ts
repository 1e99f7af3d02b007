// SPDX-License-Identifier: Apache-2.0
// What this process has pinned, by its descriptors. A link without a pin is detached when its last descriptor is closed:
// as long as they are held, whoever removes pins or unmounts the file system takes nothing off, and all of it is pinned
// again. Owned by who attaches the programs (datapath.ts, packet-programs.ts); agent-guard.ts has it looked after.

import { closeSync, rmSync, statSync } from 'node:fs';
import { detachLink, openPin, pinObject } from './libbpf/pinned-link.ts';

interface Held {
  readonly fd: number;
  /** Otherwise the descriptor is somebody else's, and open for as long as they hold this. */
  readonly isOwned: boolean;
  /** Which file is the pin, by its path: there may be more than one, and not all of them have been seen. */
  readonly files: Map<string, string>;
}

/** What came of a look. */
export interface Repair {
  /** Pins that were made again. */
  readonly pins: readonly string[];
  /** Why others could not be. */
  readonly error?: unknown;
}

export class HeldPins {
  readonly #held = new Map<string, Held>();

  /** Holds what is pinned at `pin` by a descriptor of the caller's. */
  hold(pin: string, fd: number): void {
    this.forget(pin);
    this.#held.set(pin, { fd, isOwned: false, files: filesOf(pin) });
  }

  /**
   * What is held of `pin`, or else what is pinned there, which is held from now on.
   *
   * @returns a descriptor that is not the caller's to close; undefined when there is neither.
   */
  open(pin: string): number | undefined {
    const held = this.#held.get(pin);
    if (held) return held.fd;
    const fd = openPin(pin);
    if (fd !== undefined) this.#held.set(pin, { fd, isOwned: true, files: filesOf(pin) });
    return fd;
  }

  /** Pins a link that was just made, and holds it. @throws KernelError: what cannot be pinned is undone. */
  add(pin: string, link: number): void {
    try {
      pinObject(link, pin);
    } catch (error) {
      closeSync(link);
      throw error;
    }
    this.#held.set(pin, { fd: link, isOwned: true, files: filesOf(pin) });
  }

  /** Takes the program of the link off its hook, and removes the pin. @returns false when there was neither. */
  removeLink(pin: string): boolean {
    const link = this.open(pin);
    if (link === undefined) return false;
    detachLink(link, pin);
    this.remove(pin);
    return true;
  }

  /** Removes a pin, if it is there, and holds it no more. */
  remove(pin: string): void {
    this.forget(pin);
    rmSync(pin, { force: true });
  }

  /** Holds it no more. */
  forget(pin: string): void {
    const held = this.#held.get(pin);
    this.#held.delete(pin);
    if (held?.isOwned) closeSync(held.fd);
  }

  /** Every pin of which something is held. */
  get pins(): readonly string[] {
    return [...this.#held.keys()];
  }

  /**
   * Pins again what is not pinned any more: in place of what is there instead. Never throws.
   *
   * @param prepare called before the first one is made; what it throws keeps them all from being made.
   * @param placeOf where each is to be; elsewhere than it was made, it is pinned twice.
   */
  repair(prepare?: () => void, placeOf = (pin: string) => pin): Repair {
    const pins: string[] = [];
    let failure: unknown;
    let isPrepared = prepare === undefined;
    for (const [madeAt, { fd, files }] of this.#held) {
      const pin = placeOf(madeAt);
      const file = files.get(pin);
      if (file !== undefined && fileAt(pin) === file) continue;
      try {
        if (!isPrepared) prepare?.();
        isPrepared = true;
        rmSync(pin, { force: true, recursive: true });
        pinObject(fd, pin);
        remember(files, pin);
        pins.push(pin);
      } catch (error) {
        failure ??= error;
      }
    }
    return { pins, ...(failure !== undefined && { error: failure }) };
  }

  close(): void {
    for (const pin of this.pins) this.forget(pin);
  }
}

function filesOf(pin: string): Map<string, string> {
  const files = new Map<string, string>();
  remember(files, pin);
  return files;
}

function remember(files: Map<string, string>, pin: string): void {
  const file = fileAt(pin);
  if (file !== undefined) files.set(pin, file);
}

/** A pin is a file of its own: one that was removed and made again is another one. undefined: none is there. */
function fileAt(pin: string): string | undefined {
  const found = statSync(pin, { throwIfNoEntry: false });
  return found && `${found.dev} ${found.ino}`;
}
