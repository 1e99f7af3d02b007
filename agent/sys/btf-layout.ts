// SPDX-License-Identifier: Apache-2.0
// The layout of a type that a BTF has, as a flat list of its fields. Pure. carry-plan.ts compares two of them, of two builds.
//
// Whatever the types are, there is an answer or a BtfError, after a bounded number of steps.

import { BtfError, BtfTypes, KIND, MEMBER_SIZE, type Type } from './btf.ts';

/**
 * integer: of the host's byte order, enums too; network: of the network's (__be16, __be32, __be64); union: all of its
 * members together, for nobody knows which one is meant.
 */
export type FieldKind = 'integer' | 'network' | 'float' | 'pointer' | 'union';

export interface BtfField {
  /** Names from the outermost struct inwards, and places in arrays: `backend.address.words[3]`. Empty: the type itself. */
  readonly path: string;
  readonly kind: FieldKind;
  /** From the beginning of the type; a multiple of 8 but for bit fields. */
  readonly bitOffset: number;
  readonly bits: number;
  readonly isSigned: boolean;
  /** Of an enum. */
  readonly constants?: ReadonlyMap<string, bigint>;
  /** The name of the enum. */
  readonly enumName?: string;
  /** Of a union: its members. Two that have the same ones are laid out alike. */
  readonly shape?: string;
}

export interface BtfLayout {
  /** Bytes. */
  readonly size: number;
  /** No path comes twice. */
  readonly fields: readonly BtfField[];
}

/** @throws BtfError */
export function readLayout(bytes: Uint8Array, typeId: number): BtfLayout {
  return new Flattening(new BtfTypes(bytes)).layoutOf(typeId);
}

/** Types looked at for one layout, array elements each by themselves: thirty times what the largest of ours takes. */
const MAX_STEPS = 16_384;
const MAX_DEPTH = 32;
/** What is this long is no key or value of a table. */
const MAX_SIZE = 1 << 16;
const MAX_PATH = 256;
const MAX_SHAPE = 4096;

const MODIFIERS: readonly number[] = [
  KIND.TYPEDEF,
  KIND.VOLATILE,
  KIND.CONST,
  KIND.RESTRICT,
  KIND.TYPE_TAG,
];

/** BTF_INT_SIGNED */
const INT_SIGNED = 1;
const POINTER_BITS = 64;
const NETWORK_ORDER = /^__be(16|32|64)$/;

/** A type without modifiers, and whether its names say that it is of the network's byte order. */
interface Resolved {
  readonly type: Type;
  readonly isNetwork: boolean;
}

/** One walk through a type. */
class Flattening {
  readonly #types: BtfTypes;
  #steps = 0;

  constructor(types: BtfTypes) {
    this.#types = types;
  }

  layoutOf(typeId: number): BtfLayout {
    const size = this.#sizeOf(typeId, 0);
    const fields: BtfField[] = [];
    this.#add(fields, typeId, '', 0, 0);
    const paths = new Set<string>();
    for (const { path, bitOffset, bits } of fields) {
      if (bits === 0 || bitOffset + bits > size * 8) {
        throw new BtfError(`field ${path} lies outside of ${size} bytes`);
      }
      if (paths.has(path)) throw new BtfError(`field ${path} comes twice`);
      paths.add(path);
    }
    return { size, fields };
  }

  #resolve(typeId: number): Resolved {
    let isNetwork = false;
    for (let id = typeId, depth = 0; depth < MAX_DEPTH; depth++) {
      if (++this.#steps > MAX_STEPS) throw new BtfError(`type ${typeId} is too large`);
      const type = this.#types.type(id);
      isNetwork ||= type.kind === KIND.TYPEDEF && NETWORK_ORDER.test(type.name);
      if (!MODIFIERS.includes(type.kind)) return { type, isNetwork };
      id = type.sizeOrType;
    }
    throw new BtfError(`type ${typeId} has too many names`);
  }

  /** Bytes. */
  #sizeOf(typeId: number, depth: number): number {
    const { type } = this.#resolve(typeId);
    if (depth > MAX_DEPTH) throw new BtfError(`type ${typeId} is nested too deeply`);
    const size = this.#plainSizeOf(type, depth);
    if (size > MAX_SIZE) throw new BtfError(`type ${typeId} has ${size} bytes`);
    return size;
  }

  #plainSizeOf(type: Type, depth: number): number {
    if (type.kind === KIND.PTR) return POINTER_BITS / 8;
    if (type.kind !== KIND.ARRAY) return type.sizeOrType;
    return this.#types.u32(type.at + 8) * this.#sizeOf(this.#types.u32(type.at), depth + 1);
  }

  #add(to: BtfField[], typeId: number, path: string, bitOffset: number, depth: number): void {
    if (depth > MAX_DEPTH || path.length > MAX_PATH) {
      throw new BtfError(`${path.slice(0, MAX_PATH)} is nested too deeply`);
    }
    const { type, isNetwork } = this.#resolve(typeId);
    const field = { path, bitOffset, isSigned: false, bits: type.sizeOrType * 8 };
    switch (type.kind) {
      case KIND.INT:
        to.push(this.#integer(type, path, bitOffset, isNetwork));
        return;
      case KIND.ENUM:
      case KIND.ENUM64:
        to.push({ ...field, kind: 'integer', isSigned: type.isMarked, ...this.#enum(type) });
        return;
      case KIND.FLOAT:
        to.push({ ...field, kind: 'float' });
        return;
      case KIND.PTR:
        to.push({ ...field, kind: 'pointer', bits: POINTER_BITS });
        return;
      case KIND.ARRAY:
        this.#addElements(to, type, path, bitOffset, depth);
        return;
      case KIND.STRUCT:
        this.#addMembers(to, type, path, bitOffset, depth);
        return;
      case KIND.UNION:
        to.push({ ...field, kind: 'union', shape: this.#shapeOf(type, depth) });
        return;
      default:
        throw new BtfError(`${path} is of kind ${type.kind}, which has no size`);
    }
  }

  #integer(type: Type, path: string, bitOffset: number, isNetwork: boolean): BtfField {
    const data = this.#types.u32(type.at);
    return {
      path,
      kind: isNetwork ? 'network' : 'integer',
      bitOffset: bitOffset + ((data >>> 16) & 0xff),
      bits: data & 0xff,
      isSigned: ((data >>> 24) & INT_SIGNED) !== 0,
    };
  }

  #enum(type: Type): Pick<BtfField, 'constants' | 'enumName'> {
    const constants = new Map<string, bigint>();
    const is64 = type.kind === KIND.ENUM64;
    this.#steps += type.count;
    if (this.#steps > MAX_STEPS) throw new BtfError(`enum ${type.id} is too large`);
    for (let i = 0; i < type.count; i++) {
      const at = type.at + i * (is64 ? 12 : 8);
      const low = is64 || !type.isMarked ? this.#types.u32(at + 4) : this.#types.i32(at + 4);
      const high = is64 ? (type.isMarked ? this.#types.i32(at + 8) : this.#types.u32(at + 8)) : 0;
      constants.set(this.#types.name(this.#types.u32(at)), (BigInt(high) << 32n) + BigInt(low));
    }
    return { constants, enumName: type.name };
  }

  #addElements(to: BtfField[], type: Type, path: string, bitOffset: number, depth: number): void {
    const element = this.#types.u32(type.at);
    const bits = this.#sizeOf(element, depth) * 8;
    const count = this.#types.u32(type.at + 8);
    for (let i = 0; i < count; i++) {
      this.#add(to, element, `${path}[${i}]`, bitOffset + i * bits, depth + 1);
    }
  }

  #addMembers(to: BtfField[], type: Type, path: string, bitOffset: number, depth: number): void {
    for (const { name, typeId, offset, bits } of this.#members(type)) {
      const own = name === '' ? this.#nameOfUnnamed(typeId) : name;
      const memberPath = own === '' ? path : `${path}${path && '.'}${own}`;
      const first = to.length;
      this.#add(to, typeId, memberPath, bitOffset + offset, depth + 1);
      const field = to[first];
      if (bits > 0 && field) to[first] = { ...field, bits };
    }
  }

  /** What has no name is no part of the path; but a union is a field, and has its members' names. */
  #nameOfUnnamed(typeId: number): string {
    const { type } = this.#resolve(typeId);
    if (type.kind !== KIND.UNION) return '';
    return `(${[...this.#members(type)].map(({ name }) => name).join('|')})`;
  }

  *#members({ at, count, isMarked }: Type) {
    this.#steps += count;
    if (this.#steps > MAX_STEPS) throw new BtfError('it has too many members');
    for (let i = 0; i < count; i++) {
      const place = at + i * MEMBER_SIZE;
      const offset = this.#types.u32(place + 8);
      yield {
        name: this.#types.name(this.#types.u32(place)),
        typeId: this.#types.u32(place + 4),
        offset: isMarked ? offset & 0xffffff : offset,
        /** 0: as many as the type has. */
        bits: isMarked ? offset >>> 24 : 0,
      };
    }
  }

  #shapeOf(type: Type, depth: number): string {
    const members: BtfField[] = [];
    this.#addMembers(members, type, '', 0, depth + 1);
    const shape = members
      .map(({ path, kind, bitOffset, bits, isSigned, shape }) =>
        [path, kind, bitOffset, bits, isSigned ? 'signed' : '', shape ?? ''].join(' '),
      )
      .join(', ');
    if (shape.length > MAX_SHAPE) throw new BtfError(`union ${type.id} is too large`);
    return shape;
  }
}
