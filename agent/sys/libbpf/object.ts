// SPDX-License-Identifier: Apache-2.0
// A compiled BPF object: opened, its maps bound to pins, loaded into the kernel.

import { lastErrno, libbpf, type Pointer, withLibbpfLog } from './ffi.ts';
import { KernelError } from './kernel-error.ts';
import { check, RawMap } from './map.ts';
import { readProgramInfo } from './program-info.ts';

/** What libbpf calls LIBBPF_WARN; info and debug lines are of no use to an operator. */
const LEVEL_WARN = 0;

/** Lines of libbpf's and the verifier's own words that an error carries. */
const DETAIL_LINES = 6;

/** How a map of the object is made. */
export interface MapSetup {
  /** Where it is pinned; a map found there is used as it is. */
  readonly pin: string;
  readonly maxEntries: number;
  /** Of a map of maps: what every map in it is like. */
  readonly inner?: InnerMap;
}

export interface InnerMap {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly keySize: number;
  readonly valueSize: number;
}

/** A loaded object: its programs and maps stay in the kernel for as long as it is open or they are pinned. */
export class LoadedObject {
  readonly #object: Pointer;
  readonly #path: string;

  private constructor(object: Pointer, path: string) {
    this.#object = object;
    this.#path = path;
  }

  /**
   * @param maps those of the object that its programs use, by name; the others are not made.
   * @throws KernelError with the last lines that libbpf or the verifier said.
   */
  static load(path: string, maps: ReadonlyMap<string, MapSetup>): LoadedObject {
    const said: string[] = [];
    const log = (level: number, text: string) => {
      if (level === LEVEL_WARN) said.push(...text.trimEnd().split('\n'));
    };
    const templates: RawMap[] = [];
    return withLibbpfLog(log, () => {
      const object = libbpf().objectOpen(path, null);
      if (object === null) throw new KernelError(`open BPF object ${path}`, lastErrno());
      try {
        for (const [name, { pin, maxEntries, inner }] of maps) {
          const map = findMap(object, name, path);
          check(libbpf().mapSetPinPath(map, pin), `pin map ${name} at ${pin}`);
          check(libbpf().mapSetMaxEntries(map, maxEntries), `size map ${name}`);
          if (inner) templates.push(setInnerMap(map, inner));
        }
        for (const map of mapsOf(object)) {
          const name = libbpf().mapName(map);
          if (!maps.has(name))
            check(libbpf().mapSetAutocreate(map, false), `leave out map ${name}`);
        }
        const result = libbpf().objectLoad(object);
        if (result < 0) {
          throw new KernelError(`load ${path}`, -result, said.slice(-DETAIL_LINES).join(' | '));
        }
        return new LoadedObject(object, path);
      } catch (error) {
        libbpf().objectClose(object);
        throw error;
      } finally {
        for (const template of templates) template.close();
      }
    });
  }

  /** The descriptor of a program; it belongs to the object. */
  programFd(name: string): number {
    const program = libbpf().findProgram(this.#object, name);
    if (program === null)
      throw new KernelError(`find program ${name} in ${this.#path}`, lastErrno());
    return libbpf().programFd(program);
  }

  /** What the kernel numbers a program by. */
  programId(name: string): number {
    return readProgramInfo(this.programFd(name), name).id;
  }

  close(): void {
    libbpf().objectClose(this.#object);
  }
}

/**
 * Shows the kernel what maps will be put into `map`. Without type information, as those are made that the
 * agent puts in later: before 6.2 the kernel takes a map with and one without it for different kinds
 * (bpf_map_meta_equal() compares what it found of timers, EINVAL).
 */
function setInnerMap(map: Pointer, { name, ...sizes }: InnerMap): RawMap {
  const template = RawMap.create(name, { ...sizes, maxEntries: 1 });
  check(libbpf().mapSetInnerMapFd(map, template.fd), `describe the maps in a map: ${name}`);
  return template;
}

function findMap(object: Pointer, name: string, path: string): Pointer {
  const map = libbpf().findMap(object, name);
  if (map === null) throw new KernelError(`find map ${name} in ${path}`, lastErrno());
  return map;
}

function* mapsOf(object: Pointer): Generator<Pointer> {
  for (let map = libbpf().nextMap(object, null); map; map = libbpf().nextMap(object, map))
    yield map;
}
