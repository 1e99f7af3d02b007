// SPDX-License-Identifier: Apache-2.0
// What the programs have counted of each service port since the last look, for metrics. Whose a counter is follows from
// ids (plan/service-port-ids.ts). In parts, so that the agent goes on with its work meanwhile.

import { setImmediate } from 'node:timers/promises';
import type { ActualTables } from '../plan/actual-tables.ts';
import { counterOf, SHARED_COUNTER } from '../plan/service-port-ids.ts';
import { COUNT_FIELDS, type ServiceCounts } from '../sys/service-counts.ts';
import {
  NOTHING,
  type ServicePortName,
  type Traffic,
  type TrafficReading,
} from '../telemetry/service-metrics.ts';

const FIELDS = COUNT_FIELDS.length;

/** Counters read in one go: a fifth of a millisecond on two CPUs, some on a hundred. */
const BATCH = 1000;

/** Whoever has a counter together with others. */
const SEVERAL = 0;

export type ReadCounts = Pick<ServiceCounts, 'read' | 'cleared'>;

export class ServiceTraffic {
  readonly #counts: ReadCounts;
  readonly #actual: () => Pick<ActualTables, 'servicePorts' | 'servicePort'> | undefined;
  readonly #signal: AbortSignal;
  /** What each counter was at the last look. */
  #last = new Uint32Array(0);

  /** @param signal from then on the counters are not touched: they may be closed. */
  constructor(
    counts: ReadCounts,
    actual: () => Pick<ActualTables, 'servicePorts' | 'servicePort'> | undefined,
    signal: AbortSignal,
  ) {
    this.#counts = counts;
    this.#actual = actual;
    this.#signal = signal;
  }

  /** One at a time. What cannot be read is nothing new. */
  async read(): Promise<TrafficReading> {
    const holders = this.#holders();
    const end = Math.max(0, ...holders.keys()) + 1;
    this.#growTo(end);
    const added = new Map<number, Uint32Array>();
    try {
      for (const { first, sums } of this.#counts.read(end, BATCH)) {
        this.#add(first, sums, holders, added);
        await setImmediate();
        if (this.#signal.aborted) break;
      }
    } catch {
      // Other metrics must not go with it.
    }
    const rest = added.get(SEVERAL);
    added.delete(SEVERAL);
    return {
      servicePorts: new Map([...added].map(([id, counts]) => [id, trafficOf(counts)])),
      rest: rest ? trafficOf(rest) : NOTHING,
      nameOf: (id) => this.#nameOf(id),
    };
  }

  /** By counter: the id that has it. */
  #holders(): Map<number, number> {
    const holders = new Map<number, number>([[SHARED_COUNTER, SEVERAL]]);
    if (this.#signal.aborted) return holders;
    for (const { id } of this.#actual()?.servicePorts.values() ?? []) {
      const counter = counterOf(id);
      holders.set(counter, holders.has(counter) ? SEVERAL : id);
    }
    return holders;
  }

  #add(
    first: number,
    sums: Uint32Array,
    holders: ReadonlyMap<number, number>,
    added: Map<number, Uint32Array>,
  ): void {
    const offset = first * FIELDS;
    for (let i = 0; i < sums.length && offset + i < this.#last.length; i++) {
      const counter = first + Math.floor(i / FIELDS);
      const holder = holders.get(counter) ?? SEVERAL;
      // Given to another since, it began at zero. Ids may come again, so they do not tell.
      if (i % FIELDS === 0 && this.#counts.cleared.delete(counter))
        this.#last.fill(0, counter * FIELDS, (counter + 1) * FIELDS);
      const before = this.#last[offset + i] as number;
      const now = sums[i] as number;
      this.#last[offset + i] = now;
      // Counters wrap around.
      const more = (now - before) >>> 0;
      if (more === 0) continue;
      const counts = added.get(holder) ?? new Uint32Array(FIELDS);
      counts[i % FIELDS] = (counts[i % FIELDS] as number) + more;
      added.set(holder, counts);
    }
  }

  #growTo(counters: number): void {
    if (counters * FIELDS <= this.#last.length) return;
    const grown = new Uint32Array(counters * FIELDS);
    grown.set(this.#last);
    this.#last = grown;
  }

  #nameOf(id: number): ServicePortName | undefined {
    const servicePort = this.#actual()?.servicePort(id);
    if (!servicePort) return undefined;
    const [namespace = '', service = ''] = servicePort.service.split('/');
    return { namespace, service, port: servicePort.portName, protocol: servicePort.protocol };
  }
}

/** In the order of COUNT_FIELDS. */
function trafficOf([a = 0, b = 0, c = 0, d = 0]: Uint32Array): Traffic {
  return { connections: { socket: a, packet: c }, refusals: { socket: b, packet: d } };
}
