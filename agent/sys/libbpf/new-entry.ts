// SPDX-License-Identifier: Apache-2.0
// Writing what is not there yet, and leaving what is. Used where programs write to the same map.

import { again } from './again.ts';
import { libbpf } from './ffi.ts';
import { EEXIST } from './kernel-error.ts';
import { check, type RawMap } from './map.ts';

/** enum bpf_map_update_elem flags; batches of the kernel's take none. */
const BPF_NOEXIST = 1;

/**
 * Of sizes that are the map's.
 *
 * @param there zeros: what the map had of the key comes here.
 * @returns false when it had the key, whose value stays.
 * @throws KernelError
 */
export function addEntry(
  map: RawMap,
  key: Uint8Array,
  value: Uint8Array,
  there: Uint8Array,
): boolean {
  if (key.length !== map.keySize || value.length !== map.valueSize) {
    throw new RangeError(`not the sizes of map ${map.name}`);
  }
  // An LRU makes room before it looks whether the key is there.
  if (map.lookup(key, there)) return false;
  const result = again(() => libbpf().mapUpdate(map.fd, key, value, BPF_NOEXIST));
  if (result === -EEXIST) return false;
  check(result, `add to map ${map.name} (${map.maxEntries} entries at most)`);
  return true;
}
