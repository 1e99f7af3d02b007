// SPDX-License-Identifier: Apache-2.0
// Looks after UDP sockets whose backend has left, whenever one may have: loads what it takes at the first
// time, since nothing of it is needed before, and says what came of it.

import { messageOf } from '../errors.ts';
import { Sweeps } from '../reconcile/sweeps.ts';
import type { Pins } from '../sys/pins.ts';
import { StaleSockets } from '../sys/stale-sockets.ts';
import type { Logger } from '../telemetry/log.ts';

export class LeftSockets {
  readonly #pins: Pins;
  readonly #procDirectory: string;
  readonly #log: Logger;
  readonly #onClosed: (count: number) => void;
  readonly #sweeps = new Sweeps(() => this.#sweep());
  #sockets: StaleSockets | undefined;
  /** Said once, not with every sweep. */
  #problems = '';

  /** @param onClosed told how many sockets were closed. */
  constructor(pins: Pins, procDirectory: string, log: Logger, onClosed: (count: number) => void) {
    this.#onClosed = onClosed;
    this.#pins = pins;
    this.#procDirectory = procDirectory;
    this.#log = log;
  }

  /** Backends have left. */
  request(): void {
    this.#sweeps.request();
  }

  close(): void {
    this.#sweeps.stop();
    this.#sockets?.close();
    this.#sockets = undefined;
  }

  #sweep(): void {
    try {
      this.#sockets ??= StaleSockets.load(this.#pins, { procDirectory: this.#procDirectory });
      const { destroyed, namespaces, problems } = this.#sockets.destroyAll();
      if (destroyed > 0) {
        this.#onClosed(destroyed);
        this.#log.info(
          { sockets: destroyed, namespaces },
          'UDP sockets whose backend is gone were closed',
        );
      }
      this.#complain(problems.join('; '));
    } catch (error) {
      this.#complain(messageOf(error));
    }
  }

  #complain(problems: string): void {
    if (problems && problems !== this.#problems) {
      this.#log.warn({ problems }, 'UDP sockets may stay with backends that are gone');
    }
    this.#problems = problems;
  }
}
