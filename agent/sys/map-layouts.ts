// SPDX-License-Identifier: Apache-2.0
// The layouts of a map's keys and values, as the kernel has them of whoever made it. carry.ts asks.

import { type BtfLayout, readLayout } from './btf-layout.ts';
import { CannotCarry } from './carry-plan.ts';
import { readBtf, readMapTypes } from './libbpf/btf-info.ts';
import type { RawMap } from './libbpf/map.ts';

/** enum bpf_map_type: HASH, LRU_HASH. Of what is kept for each CPU user space sees all at once, and writes all at once. */
const CARRIED_TYPES: readonly number[] = [1, 9];

/** @throws KernelError, BtfError; CannotCarry when it is no such map, or came without types. */
export function entryLayouts(map: RawMap): { key: BtfLayout; value: BtfLayout } {
  const types = readMapTypes(map);
  if (!CARRIED_TYPES.includes(types.mapType)) {
    throw new CannotCarry(`${map.name} is a table of type ${types.mapType}`);
  }
  if (types.btfId === 0) throw new CannotCarry(`the kernel has no types of ${map.name}`);
  const bytes = readBtf(types.btfId);
  const [key, value] = [readLayout(bytes, types.keyTypeId), readLayout(bytes, types.valueTypeId)];
  if (key.size !== map.keySize || value.size !== map.valueSize) {
    throw new CannotCarry(`the types of ${map.name} are not as long as its entries`);
  }
  return { key, value };
}
