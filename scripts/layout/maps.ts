// SPDX-License-Identifier: Apache-2.0
// The maps of an object, out of the BTF of its `.maps` section (libbpf's BTF-defined maps): numbers are
// array lengths behind pointers, types are what the pointers point at.

import type { Btf, BtfMember, BtfType } from './btf.ts';

export interface MapDefinition {
  readonly name: string;
  /** enum bpf_map_type */
  readonly type: number;
  readonly flags: number;
  readonly maxEntries: number;
  /** BTF id of the key's and value's types; a map of maps has no value type. */
  readonly keyType: number;
  readonly valueType?: number;
  /** The template of a map of maps. */
  readonly inner?: MapDefinition;
}

/** Every map, in the order of its definition. */
export function mapDefinitions(btf: Btf): MapDefinition[] {
  return btf
    .variables('.maps')
    .map((variable) => definition(btf, variable.name, btf.inner(variable)));
}

function definition(btf: Btf, name: string, struct: BtfType): MapDefinition {
  const member = new Map(struct.members?.map((m) => [m.name, m]));
  const keyType = member.get('key');
  if (!keyType) throw new Error(`map ${name} has no key type`);
  const valueType = member.get('value');
  const values = member.get('values');
  return {
    name,
    type: numberOf(btf, member.get('type')),
    flags: numberOf(btf, member.get('map_flags')),
    maxEntries: numberOf(btf, member.get('max_entries')),
    keyType: pointee(btf, keyType).id,
    ...(valueType && { valueType: pointee(btf, valueType).id }),
    ...(values && { inner: innerDefinition(btf, values) }),
  };
}

/** `__array(values, struct s)` is an array of pointers to struct s. */
function innerDefinition(btf: Btf, values: BtfMember): MapDefinition {
  const struct = btf.inner(btf.inner(btf.type(values.type_id)));
  return definition(btf, struct.name, struct);
}

function pointee(btf: Btf, member: BtfMember): BtfType {
  return btf.inner(btf.type(member.type_id));
}

function numberOf(btf: Btf, member: BtfMember | undefined): number {
  return member ? (pointee(btf, member).nr_elems ?? 0) : 0;
}
