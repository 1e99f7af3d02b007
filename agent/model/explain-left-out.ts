// SPDX-License-Identifier: Apache-2.0
// What could not be taken of the objects, found by the Service or the address that misses it. Used by
// explain-index.ts, so that a mistake in a manifest explains a connection that fails.

import { type IpAddress, parseAddress } from './address.ts';
import type { SkippedObject } from './cluster-state.ts';
import type { ObjectKey } from './objects.ts';

/** What may be an address in a reason, which quotes the field's value. */
const ADDRESS_LIKE = /[0-9a-f]*[.:][0-9a-f.:]*[0-9a-f]/gi;

export class LeftOut {
  readonly #byService = new Map<ObjectKey, SkippedObject[]>();
  readonly #byAddress = new Map<IpAddress, SkippedObject[]>();

  /** @param hasService whether there is such a Service: a slice that was left out says by its name alone whose it is. */
  constructor(skipped: readonly SkippedObject[], hasService: (key: ObjectKey) => boolean) {
    for (const object of skipped) {
      const service = serviceOf(object, hasService);
      if (service) addTo(this.#byService, service, object);
      for (const address of addressesIn(object.reason)) addTo(this.#byAddress, address, object);
    }
  }

  /** What of `service` or of its slices was left out. */
  of(service: ObjectKey): readonly SkippedObject[] {
    return this.#byService.get(service) ?? [];
  }

  /** What was left out for a reason that names `address`. */
  naming(address: IpAddress): readonly SkippedObject[] {
    return this.#byAddress.get(address) ?? [];
  }
}

/** Of a slice: the Service with the longest name that the slice's begins with, as its controller makes names. */
function serviceOf(
  { kind, key }: SkippedObject,
  hasService: (key: ObjectKey) => boolean,
): ObjectKey | undefined {
  if (kind === 'Service') return key as ObjectKey;
  if (kind !== 'EndpointSlice') return undefined;
  for (
    let name = key;
    name.includes('/');
    name = name.slice(0, Math.max(name.lastIndexOf('-'), 0))
  ) {
    if (hasService(name as ObjectKey)) return name as ObjectKey;
  }
  return undefined;
}

function addressesIn(reason: string): Set<IpAddress> {
  return new Set(reason.match(ADDRESS_LIKE)?.flatMap((text) => parseAddress(text) ?? []));
}

function addTo<K>(index: Map<K, SkippedObject[]>, key: K, object: SkippedObject): void {
  const objects = index.get(key);
  if (objects) objects.push(object);
  else index.set(key, [object]);
}
