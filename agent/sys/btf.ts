// SPDX-License-Identifier: Apache-2.0
// The types in the bytes of a BTF (Documentation/bpf/btf.rst), by id. Pure. btf-layout.ts makes layouts of them.
//
// Whatever the bytes are, there is an answer or a BtfError, after a bounded number of steps.

/** The bytes are no BTF, or say something that this parser does not know. */
export class BtfError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'BtfError';
  }
}

const MAGIC = 0xeb9f;
const VERSION = 1;
/** Bytes of the header, of a type, and of what is listed behind it. */
const HEADER_SIZE = 24;
const TYPE_SIZE = 12;
export const MEMBER_SIZE = 12;

/** The kernel takes no more (BTF_MAX_SIZE). */
const MAX_BYTES = 16 << 20;
const MAX_NAME = 512;
/** Characters that names are made of are between. */
const SPACE = 0x20;
const DELETE = 0x7f;

/** BTF_KIND_* (linux/btf.h) */
export const KIND = {
  INT: 1,
  PTR: 2,
  ARRAY: 3,
  STRUCT: 4,
  UNION: 5,
  ENUM: 6,
  FWD: 7,
  TYPEDEF: 8,
  VOLATILE: 9,
  CONST: 10,
  RESTRICT: 11,
  FUNC: 12,
  FUNC_PROTO: 13,
  VAR: 14,
  DATASEC: 15,
  FLOAT: 16,
  DECL_TAG: 17,
  TYPE_TAG: 18,
  ENUM64: 19,
} as const;

export interface Type {
  readonly id: number;
  readonly kind: number;
  readonly name: string;
  readonly count: number;
  /** Of a struct: members may be bit fields; of an enum: it is signed. */
  readonly isMarked: boolean;
  /** Bytes, or the id of another type. */
  readonly sizeOrType: number;
  /** Where what is listed behind it begins. */
  readonly at: number;
}

/** The types of a BTF. */
export class BtfTypes {
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  /** Where each type is; 0 is void. */
  readonly #places: number[] = [0];
  readonly #strings: { readonly begin: number; readonly end: number };

  constructor(bytes: Uint8Array) {
    if (bytes.length < HEADER_SIZE || bytes.length > MAX_BYTES) {
      throw new BtfError(`BTF of ${bytes.length} bytes`);
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = view;
    this.#bytes = bytes;
    const [magic, version] = [view.getUint16(0, true), view.getUint8(2)];
    if (magic !== MAGIC || version !== VERSION) {
      throw new BtfError(`no BTF: magic ${magic.toString(16)}, version ${version}`);
    }
    const header = view.getUint32(4, true);
    const section = (at: number) => {
      const begin = header + view.getUint32(at, true);
      const end = begin + view.getUint32(at + 4, true);
      if (header < HEADER_SIZE || end > bytes.length) {
        throw new BtfError(`a section ends at ${end} of ${bytes.length} bytes`);
      }
      return { begin, end };
    };
    const types = section(8);
    this.#strings = section(16);
    for (let at = types.begin; at < types.end; ) {
      const { kind, count } = infoOf(this.#u32(at + 4, types.end));
      this.#places.push(at);
      at += TYPE_SIZE + listedSize(kind, count);
      if (at > types.end) throw new BtfError(`type ${this.#places.length - 1} is cut short`);
    }
  }

  type(id: number): Type {
    const at = this.#places[id];
    if (id === 0 || at === undefined) throw new BtfError(`there is no type ${id}`);
    const { kind, count, isMarked } = infoOf(this.u32(at + 4));
    const name = this.name(this.u32(at));
    return { id, kind, name, count, isMarked, sizeOrType: this.u32(at + 8), at: at + TYPE_SIZE };
  }

  u32(at: number): number {
    return this.#u32(at, this.#bytes.length);
  }

  i32(at: number): number {
    return this.u32(at) | 0;
  }

  name(offset: number): string {
    const begin = this.#strings.begin + offset;
    const end = this.#bytes.indexOf(0, begin);
    if (begin >= this.#strings.end || end < 0 || end >= this.#strings.end) {
      throw new BtfError(`no name at ${offset}`);
    }
    if (end - begin > MAX_NAME) throw new BtfError(`a name of ${end - begin} bytes`);
    const bytes = this.#bytes.subarray(begin, end);
    if (bytes.some((byte) => byte < SPACE || byte >= DELETE)) {
      throw new BtfError(`a name of other than printed characters at ${offset}`);
    }
    return String.fromCharCode(...bytes);
  }

  #u32(at: number, end: number): number {
    if (at + 4 > end) throw new BtfError(`it ends at ${end}, within a type`);
    return this.#view.getUint32(at, true);
  }
}

function infoOf(info: number): Pick<Type, 'kind' | 'count' | 'isMarked'> {
  return { kind: (info >>> 24) & 0x1f, count: info & 0xffff, isMarked: info >>> 31 === 1 };
}

/** Bytes behind a type. */
function listedSize(kind: number, count: number): number {
  switch (kind) {
    case KIND.PTR:
    case KIND.FWD:
    case KIND.TYPEDEF:
    case KIND.VOLATILE:
    case KIND.CONST:
    case KIND.RESTRICT:
    case KIND.FUNC:
    case KIND.FLOAT:
    case KIND.TYPE_TAG:
      return 0;
    case KIND.INT:
    case KIND.VAR:
    case KIND.DECL_TAG:
      return 4;
    case KIND.ARRAY:
      return 12;
    case KIND.STRUCT:
    case KIND.UNION:
    case KIND.DATASEC:
    case KIND.ENUM64:
      return MEMBER_SIZE * count;
    case KIND.ENUM:
    case KIND.FUNC_PROTO:
      return 8 * count;
    default:
      throw new BtfError(`types of kind ${kind} are not known`);
  }
}
