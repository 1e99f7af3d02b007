// SPDX-License-Identifier: Apache-2.0
// Traffic that goes on until it is ended, and counts what fails. Used by main.ts, inside of pods.

import { exchange } from './exchange.ts';
import { coded, codeOf, PATIENCE_MS, TcpLine, UdpLine } from './lines.ts';
import type { Greeting, TrafficOrder, TrafficReport } from './wire.ts';

export class Traffic {
  readonly #order: TrafficOrder;
  readonly #failures: string[] = [];
  readonly #pods: Record<string, number> = {};
  readonly #work: Promise<void>;
  #lastPod = '';
  #exchanges = 0;
  #isOver = false;

  constructor(order: TrafficOrder) {
    this.#order = order;
    this.#work = (order.kind === 'short' ? this.#short() : this.#long()).catch((error) => {
      this.#failures.push(`${new Date().toISOString()} ${codeOf(error)}`);
    });
  }

  report(): TrafficReport {
    const { length } = this.#failures;
    return {
      exchanges: this.#exchanges,
      failures: length > 20 ? [...this.#failures.slice(0, 20), `${length} in all`] : this.#failures,
      lastPod: this.#lastPod,
      pods: this.#pods,
    };
  }

  async end(): Promise<TrafficReport> {
    this.#isOver = true;
    await this.#work;
    return this.report();
  }

  async #short(): Promise<void> {
    const pending = new Set<Promise<void>>();
    while (!this.#isOver) {
      const one = exchange(this.#order)
        .then(({ pod }) => this.#count(pod))
        .catch((error) => {
          this.#failures.push(`${new Date().toISOString()} ${codeOf(error)}`);
        })
        .finally(() => pending.delete(one));
      pending.add(one);
      await this.#pause();
    }
    await Promise.all(pending);
  }

  /** Of TCP the first line is the greeting, then its own come back; of UDP every answer is one. */
  async #long(): Promise<void> {
    const { protocol, patienceMs = PATIENCE_MS } = this.#order;
    const isTcp = protocol === 'tcp';
    const line = isTcp ? new TcpLine(this.#order) : new UdpLine(this.#order, false);
    try {
      await line.open();
      if (isTcp) this.#lastPod = (JSON.parse(await line.next(patienceMs)) as Greeting).pod;
      while (!this.#isOver) {
        const said = `${this.#exchanges}`;
        line.say(`${said}\n`);
        const heard = await line.next(patienceMs);
        if (isTcp && heard !== said) throw coded('GARBLED', `heard ${heard} in place of ${said}`);
        this.#count(isTcp ? this.#lastPod : (JSON.parse(heard) as Greeting).pod);
        await this.#pause();
      }
    } finally {
      line.close();
    }
  }

  #count(pod: string): void {
    this.#exchanges++;
    this.#lastPod = pod;
    this.#pods[pod] = (this.#pods[pod] ?? 0) + 1;
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, this.#order.periodMs));
  }
}
