// SPDX-License-Identifier: Apache-2.0
// The bytes of a BTF (Documentation/bpf/btf.rst), type by type, for tests of what reads them: also of such as no compiler makes.

/** BTF_KIND_* (linux/btf.h) */
const KIND = {
  int: 1,
  pointer: 2,
  array: 3,
  struct: 4,
  union: 5,
  enum: 6,
  forward: 7,
  typedef: 8,
  volatile: 9,
  const: 10,
  float: 16,
  enum64: 19,
} as const;

const HEADER_SIZE = 24;
const MARKED = 1 << 31;

export interface BtfMember {
  readonly name: string;
  readonly type: number;
  readonly bitOffset: number;
  /** Of a bit field. */
  readonly bits?: number;
}

/** Each function adds a type and returns its id, of which the first one is 1. */
export class BtfBytes {
  readonly #types: Buffer[] = [];
  readonly #names: Buffer[] = [Buffer.of(0)];
  #namesLength = 1;

  int(
    name: string,
    size: number,
    { isSigned = false, bits = size * 8, bitOffset = 0 } = {},
  ): number {
    const encoding = ((isSigned ? 1 : 0) << 24) | (bitOffset << 16) | bits;
    return this.#add(name, KIND.int, size, [encoding]);
  }

  float(name: string, size: number): number {
    return this.#add(name, KIND.float, size, []);
  }

  pointer(to: number): number {
    return this.#add('', KIND.pointer, to, []);
  }

  /** A typedef, or a qualifier without a name. */
  renamed(kind: 'typedef' | 'const' | 'volatile', name: string, type: number): number {
    return this.#add(name, KIND[kind], type, []);
  }

  forward(name: string): number {
    return this.#add(name, KIND.forward, 0, []);
  }

  array(element: number, count: number): number {
    return this.#add('', KIND.array, 0, [element, element, count]);
  }

  enum(
    name: string,
    constants: Readonly<Record<string, number>>,
    { isSigned = false } = {},
  ): number {
    const words = Object.entries(constants).flatMap(([n, value]) => [this.#name(n), value]);
    return this.#add(name, KIND.enum, 4, words, words.length / 2, isSigned);
  }

  enum64(name: string, constants: Readonly<Record<string, bigint>>): number {
    const words = Object.entries(constants).flatMap(([n, value]) => [
      this.#name(n),
      Number(BigInt.asIntN(32, value)),
      Number(BigInt.asIntN(32, value >> 32n)),
    ]);
    return this.#add(name, KIND.enum64, 8, words, words.length / 3, false);
  }

  struct(name: string, size: number, members: readonly BtfMember[]): number {
    return this.#composite(KIND.struct, name, size, members);
  }

  union(name: string, size: number, members: readonly BtfMember[]): number {
    return this.#composite(KIND.union, name, size, members);
  }

  bytes(): Uint8Array {
    const [types, names] = [Buffer.concat(this.#types), Buffer.concat(this.#names)];
    const header = Buffer.alloc(HEADER_SIZE);
    header.writeUInt16LE(0xeb9f, 0);
    header.writeUInt8(1, 2);
    const sections = [HEADER_SIZE, 0, types.length, types.length, names.length];
    for (const [i, word] of sections.entries()) header.writeUInt32LE(word, 4 + 4 * i);
    return new Uint8Array(Buffer.concat([header, types, names]));
  }

  #composite(kind: number, name: string, size: number, members: readonly BtfMember[]): number {
    const hasBits = members.some(({ bits }) => bits !== undefined);
    const words = members.flatMap(({ name: own, type, bitOffset, bits = 0 }) => [
      this.#name(own),
      type,
      hasBits ? (bits << 24) | bitOffset : bitOffset,
    ]);
    return this.#add(name, kind, size, words, members.length, hasBits);
  }

  #add(
    name: string,
    kind: number,
    sizeOrType: number,
    words: readonly number[],
    count = 0,
    isMarked = false,
  ): number {
    const all = [this.#name(name), (isMarked ? MARKED : 0) | (kind << 24) | count, sizeOrType];
    const bytes = Buffer.alloc(4 * (3 + words.length));
    for (const [i, word] of [...all, ...words].entries()) bytes.writeUInt32LE(word >>> 0, 4 * i);
    return this.#types.push(bytes);
  }

  /** @returns where it is among the names. */
  #name(name: string): number {
    if (name === '') return 0;
    const at = this.#namesLength;
    const bytes = Buffer.from(`${name}\0`, 'latin1');
    this.#names.push(bytes);
    this.#namesLength += bytes.length;
    return at;
  }
}
