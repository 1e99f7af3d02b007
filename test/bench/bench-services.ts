// SPDX-License-Identifier: Apache-2.0
// The Services of the benchmark as they grow in the lab's API server. Invariant: no two endpoints that there ever were
// have the same address, so that where a connection lands tells which change it has seen.

import { setImmediate } from 'node:timers/promises';
import type { ObjectStore } from '../lab/object-store.ts';
import { backendAddress, serviceObject, sliceObject } from './service-objects.ts';
import type { BenchServices } from './station.ts';

/** Objects stored in one turn of the event loop, between which the API server sends them. */
const STORED_AT_ONCE = 50;
/** Every tenth. */
const UDP_EVERY = 10;

export class StoredServices implements BenchServices {
  readonly #store: ObjectStore;
  readonly #endpoints: number;
  readonly #clusterIPs: string[] = [];
  readonly #backends: (readonly string[])[] = [];
  #backendCount = 0;

  /** @param endpoints of each Service. */
  constructor(store: ObjectStore, endpoints: number) {
    this.#store = store;
    this.#endpoints = endpoints;
  }

  get count(): number {
    return this.#clusterIPs.length;
  }

  async growTo(count: number): Promise<void> {
    for (let i = this.count; i < count; i++) {
      const protocol = this.protocol(i);
      const service = this.#store.create(serviceObject(protocol, i));
      const backends = this.#newBackends();
      this.#store.create(sliceObject(protocol, i, backends));
      this.#clusterIPs.push((service.spec as { clusterIP: string }).clusterIP);
      this.#backends.push(backends);
      if (i % STORED_AT_ONCE === 0) await setImmediate();
    }
  }

  protocol(index: number): 'TCP' | 'UDP' {
    return index % UDP_EVERY === UDP_EVERY - 1 ? 'UDP' : 'TCP';
  }

  clusterIP(index: number): string {
    return this.#of(this.#clusterIPs, index);
  }

  backends(index: number): readonly string[] {
    return this.#of(this.#backends, index);
  }

  replaceBackends(index: number): readonly string[] {
    this.#of(this.#backends, index);
    const backends = this.#newBackends();
    this.#store.update(sliceObject(this.protocol(index), index, backends));
    this.#backends[index] = backends;
    return backends;
  }

  #newBackends(): string[] {
    return Array.from({ length: this.#endpoints }, () => backendAddress(this.#backendCount++));
  }

  #of<T>(list: readonly T[], index: number): T {
    const found = list[index];
    if (found === undefined) throw new RangeError(`there is no Service ${index} of ${this.count}`);
    return found;
  }
}
