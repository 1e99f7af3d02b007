// SPDX-License-Identifier: Apache-2.0
// A compiled BPF object: opened, its maps bound to pins, loaded into the kernel.

import { lastErrno, libbpf, listenToLibbpf, type Pointer } from './ffi.ts';
import { KernelError } from './kernel-error.ts';
import { keepNoLargeBlocks } from './malloc.ts';
import { check, RawMap } from './map.ts';
import { readProgramInfo } from './program-info.ts';

/** What libbpf calls LIBBPF_WARN; info and debug lines are of no use to an operator. */
const LEVEL_WARN = 0;

/** Lines of libbpf's and the verifier's own words that an error carries. */
const DETAIL_LINES = 6;

/** Of an object that libbpf cannot read at all. */
const DAMAGED =
  'the file is not there, or not as it was built: install this version again, or build it (npm run build)';

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
   * @param programs which of its programs; all, when not given.
   * @throws KernelError with the last lines that libbpf or the verifier said.
   */
  static load(
    path: string,
    maps: ReadonlyMap<string, MapSetup>,
    programs?: readonly string[],
  ): LoadedObject {
    const loading = new Loading(path);
    const stopListening = listenToLibbpf(loading.heard);
    try {
      return loading.done(libbpf().objectLoad(loading.prepare(maps, programs)));
    } finally {
      stopListening();
      loading.end();
    }
  }

  /**
   * {@link load}, while this thread goes on: the verifier takes a tenth of a second. Rejects as that throws. Nobody
   * listens: libbpf has hundreds of things to say, and would wait for this thread with each. What is refused is
   * therefore tried again, for the words.
   */
  static async loadInBackground(
    path: string,
    maps: ReadonlyMap<string, MapSetup>,
    programs?: readonly string[],
  ): Promise<LoadedObject> {
    keepNoLargeBlocks();
    const loading = new Loading(path);
    try {
      return loading.done(await libbpf().objectLoadAsync(loading.prepare(maps, programs)));
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
    } finally {
      loading.end();
    }
    return LoadedObject.load(path, maps, programs);
  }

  /** Takes over `object`. */
  static of(object: Pointer, path: string): LoadedObject {
    return new LoadedObject(object, path);
  }

  /** The descriptor of a program; it belongs to the object. */
  programFd(name: string): number {
    const program = libbpf().findProgram(this.#object, name);
    if (program === null)
      throw new KernelError(`find program ${name} in ${this.#path}`, lastErrno());
    return libbpf().programFd(program);
  }

  /** The descriptor of a map; it belongs to the object. */
  mapFd(name: string): number {
    return libbpf().mapFd(findMap(this.#object, name, this.#path));
  }

  /** What the kernel numbers a program by. */
  programId(name: string): number {
    return readProgramInfo(this.programFd(name), name).id;
  }

  close(): void {
    libbpf().objectClose(this.#object);
  }
}

/** One object on its way into the kernel. Unless it arrives, nothing is left of it after end(). */
class Loading {
  readonly #path: string;
  readonly #said: string[] = [];
  /** Of maps in maps: needed until the object is loaded. */
  readonly #templates: RawMap[] = [];
  #object: Pointer | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** What libbpf says meanwhile. */
  readonly heard = (level: number, text: () => string): void => {
    if (level === LEVEL_WARN) this.#said.push(...text().trimEnd().split('\n'));
  };

  prepare(maps: ReadonlyMap<string, MapSetup>, programs: readonly string[] | undefined): Pointer {
    const path = this.#path;
    const object = libbpf().objectOpen(path, null);
    if (object === null) {
      throw new KernelError(`open BPF object ${path}`, lastErrno(), this.#details(), DAMAGED);
    }
    this.#object = object;
    for (const [name, { pin, maxEntries, inner }] of maps) {
      const map = findMap(object, name, path);
      check(libbpf().mapSetPinPath(map, pin), `pin map ${name} at ${pin}`);
      check(libbpf().mapSetMaxEntries(map, maxEntries), `size map ${name}`);
      if (inner) this.#templates.push(setInnerMap(map, inner));
    }
    for (const map of mapsOf(object)) {
      const name = libbpf().mapName(map);
      if (!maps.has(name)) check(libbpf().mapSetAutocreate(map, false), `leave out map ${name}`);
    }
    for (const program of programs ? programsOf(object) : []) {
      const name = libbpf().programName(program);
      if (programs?.includes(name)) continue;
      check(libbpf().programSetAutoload(program, false), `leave out program ${name}`);
    }
    return object;
  }

  /** @param result of loading what {@link prepare} returned. @throws KernelError when it was refused. */
  done(result: number): LoadedObject {
    const object = this.#object as Pointer;
    if (result < 0) {
      throw new KernelError(`load ${this.#path}`, -result, this.#details());
    }
    this.#object = undefined;
    return LoadedObject.of(object, this.#path);
  }

  #details(): string {
    return this.#said.slice(-DETAIL_LINES).join(' | ');
  }

  end(): void {
    if (this.#object !== undefined) libbpf().objectClose(this.#object);
    for (const template of this.#templates) template.close();
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

function* programsOf(object: Pointer): Generator<Pointer> {
  const next = (previous: Pointer | null) => libbpf().nextProgram(object, previous);
  for (let program = next(null); program; program = next(program)) yield program;
}
