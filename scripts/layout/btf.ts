// SPDX-License-Identifier: Apache-2.0
// BTF of a compiled object, as `bpftool btf dump` prints it, and what a layout generator asks of it.

import { execFileSync } from 'node:child_process';

export interface BtfMember {
  readonly name: string;
  readonly type_id: number;
  readonly bits_offset: number;
}

/** One type; which of the optional members are there depends on the kind (see the kernel's btf.rst). */
export interface BtfType {
  readonly id: number;
  readonly kind: string;
  readonly name: string;
  readonly size?: number;
  readonly type_id?: number;
  readonly nr_elems?: number;
  readonly members?: readonly BtfMember[];
  readonly values?: readonly { readonly name: string; readonly val: number }[];
  readonly vars?: readonly { readonly type_id: number }[];
}

export class Btf {
  readonly #types: ReadonlyMap<number, BtfType>;

  constructor(types: readonly BtfType[]) {
    this.#types = new Map(types.map((type) => [type.id, type]));
  }

  static ofObject(objectPath: string): Btf {
    const json = execFileSync('bpftool', ['--json', 'btf', 'dump', 'file', objectPath], {
      encoding: 'utf8',
      maxBuffer: 64 << 20,
    });
    return new Btf((JSON.parse(json) as { types: BtfType[] }).types);
  }

  type(id: number): BtfType {
    const type = this.#types.get(id);
    if (!type) throw new Error(`BTF has no type ${id}`);
    return type;
  }

  /** The type that `type` points at, contains or renames. */
  inner(type: BtfType): BtfType {
    if (type.type_id === undefined)
      throw new Error(`BTF ${type.kind} ${type.name} refers to nothing`);
    return this.type(type.type_id);
  }

  /** `id` without qualifiers and names given by typedef. */
  resolve(id: number): BtfType {
    let type = this.type(id);
    while (['TYPEDEF', 'CONST', 'VOLATILE'].includes(type.kind)) type = this.inner(type);
    return type;
  }

  /** Variables of the section `name`. */
  variables(name: string): BtfType[] {
    const section = [...this.#types.values()].find((t) => t.kind === 'DATASEC' && t.name === name);
    return section?.vars?.map((v) => this.type(v.type_id)) ?? [];
  }

  /** Bytes that the type takes. */
  sizeOf(id: number): number {
    const type = this.resolve(id);
    if (type.kind === 'ARRAY') return (type.nr_elems ?? 0) * this.sizeOf(this.inner(type).id);
    if (type.size === undefined) throw new Error(`BTF ${type.kind} ${type.name} has no size`);
    return type.size;
  }
}
