// SPDX-License-Identifier: Apache-2.0
// Connections and refusals of each service port, as the programs count them. A fixed number of service ports has series
// of its own, those that have traffic first, and keeps them for as long as it lives; the rest is summed. What is added
// to one series is never taken away again, so that rates are right whoever comes and goes.

import { setImmediate } from 'node:timers/promises';
import { Counter, type Registry } from './prom-client.ts';

/** Service ports that have series of their own. */
const MAX_SERVICE_PORTS = 500;

/** The agent goes on with its work in between. */
const STEPS_AT_ONCE = 50;

/** Where a connection was seen: at a socket of this node, or in packets. */
export interface Counts {
  readonly socket: number;
  readonly packet: number;
}

export interface Traffic {
  readonly connections: Counts;
  readonly refusals: Counts;
}

export interface ServicePortName {
  readonly namespace: string;
  readonly service: string;
  /** '' of a port without a name. */
  readonly port: string;
  readonly protocol: string;
}

/** What was added since the reading before. */
export interface TrafficReading {
  /** By whatever tells two service ports apart, for ever. Those without new traffic may be missing. */
  readonly servicePorts: ReadonlyMap<number, Traffic>;
  /** Of service ports that are not told apart. */
  readonly rest: Traffic;
  /** undefined: it is gone. */
  readonly nameOf: (id: number) => ServicePortName | undefined;
}

const REST: ServicePortName = { namespace: '', service: '', port: '', protocol: '' };
const PATHS = ['socket', 'packet'] as const;

export class ServiceMetrics {
  readonly #read: () => Promise<TrafficReading | undefined>;
  readonly #limit: number;
  readonly #connections: Counter;
  readonly #refusals: Counter;
  readonly #named = new Map<number, ServicePortName>();

  /** @param read never rejects; undefined: there is nothing to read yet. */
  constructor(
    registry: Registry,
    read: () => Promise<TrafficReading | undefined>,
    limit = MAX_SERVICE_PORTS,
  ) {
    this.#read = read;
    this.#limit = limit;
    const labelNames = ['namespace', 'service', 'port', 'protocol', 'path'];
    const whose =
      `By service port; those for which there are no series of their own, and Services that are gone, are summed ` +
      `where namespace is "". path: "socket", a program of this node dialled; "packet", it came in by a network device.`;
    this.#connections = new Counter({
      name: 'signalbox_service_connections_total',
      help: `Connections that were led to a backend: connect() calls, first datagrams, flows. ${whose}`,
      labelNames,
      registers: [registry],
    });
    this.#refusals = new Counter({
      name: 'signalbox_service_refusals_total',
      help: `Connections that were not: no endpoint, none on this node, the client not allowed, a port that the Service does not have (counted with its first port), no source port. ${whose}`,
      labelNames,
      registers: [registry],
    });
    this.#add(REST, NOTHING);
  }

  /** Before each scrape, one after another. */
  async update(): Promise<void> {
    const reading = await this.#read();
    if (!reading) return;
    const { servicePorts, rest, nameOf } = reading;
    for (const [id, name] of this.#named) {
      const now = nameOf(id);
      if (now && isSame(now, name)) continue;
      this.#named.delete(id);
      this.#forget(name);
    }
    if (this.#named.size < this.#limit) this.#takeIn(servicePorts, nameOf);
    let others = rest;
    let steps = 0;
    for (const [id, traffic] of servicePorts) {
      const name = this.#named.get(id);
      if (name) this.#add(name, traffic);
      else others = added(others, traffic);
      steps += name ? 1 : 0;
      if (name && steps % STEPS_AT_ONCE === 0) await setImmediate();
    }
    this.#add(REST, others);
  }

  /** The busiest first. */
  #takeIn(servicePorts: TrafficReading['servicePorts'], nameOf: TrafficReading['nameOf']): void {
    const newcomers = [...servicePorts]
      .filter(([id]) => !this.#named.has(id))
      .sort(([, a], [, b]) => sum(b) - sum(a));
    for (const [id] of newcomers) {
      if (this.#named.size >= this.#limit) return;
      const name = nameOf(id);
      if (name) this.#named.set(id, name);
    }
  }

  #add(name: ServicePortName, { connections, refusals }: Traffic): void {
    for (const path of PATHS) {
      const labels = { ...name, path };
      // Both, also when it is nothing: a rate of refusals begins at zero.
      this.#connections.inc(labels, connections[path]);
      this.#refusals.inc(labels, refusals[path]);
    }
  }

  #forget(name: ServicePortName): void {
    for (const path of PATHS) {
      const labels = { ...name, path };
      this.#connections.remove(labels);
      this.#refusals.remove(labels);
    }
  }
}

export const NOTHING: Traffic = {
  connections: { socket: 0, packet: 0 },
  refusals: { socket: 0, packet: 0 },
};

function added(a: Traffic, b: Traffic): Traffic {
  const both = (x: Counts, y: Counts) => ({
    socket: x.socket + y.socket,
    packet: x.packet + y.packet,
  });
  return {
    connections: both(a.connections, b.connections),
    refusals: both(a.refusals, b.refusals),
  };
}

function sum({ connections, refusals }: Traffic): number {
  return connections.socket + connections.packet + refusals.socket + refusals.packet;
}

function isSame(a: ServicePortName, b: ServicePortName): boolean {
  return (
    a.namespace === b.namespace &&
    a.service === b.service &&
    a.port === b.port &&
    a.protocol === b.protocol
  );
}
