// SPDX-License-Identifier: Apache-2.0
// libbpf.so.1 through koffi: the functions in use, declared once. Only files in this folder call them.
//
// libbpf 1.x returns -errno from functions that return int, and NULL with errno from those that return a
// pointer (koffi shows NULL as null, a pointer as bigint). koffi checks no bounds: callers check sizes.

import { promisify } from 'node:util';
import koffi, { type LibraryHandle, type TypeObject } from 'koffi';
import { EnvironmentError } from '../../errors.ts';

/** A pointer that libbpf gave out. */
export type Pointer = bigint;

export interface Libbpf {
  /** Takes a path and NULL options. */
  objectOpen(path: string, options: null): Pointer | null;
  objectLoad(object: Pointer): number;
  /** {@link objectLoad} on a worker thread: the verifier takes its time. */
  objectLoadAsync(object: Pointer): Promise<number>;
  objectClose(object: Pointer): void;
  findMap(object: Pointer, name: string): Pointer | null;
  findProgram(object: Pointer, name: string): Pointer | null;
  /** @param previous null for the first. @returns null behind the last. */
  nextMap(object: Pointer, previous: Pointer | null): Pointer | null;
  mapName(map: Pointer): string;
  mapSetAutocreate(map: Pointer, isCreated: boolean): number;
  mapSetPinPath(map: Pointer, path: string): number;
  mapSetMaxEntries(map: Pointer, maxEntries: number): number;
  mapSetInnerMapFd(map: Pointer, fd: number): number;
  mapFd(map: Pointer): number;
  /** @param previous null for the first. @returns null behind the last. */
  nextProgram(object: Pointer, previous: Pointer | null): Pointer | null;
  programName(program: Pointer): string;
  programSetAutoload(program: Pointer, isLoaded: boolean): number;
  programFd(program: Pointer): number;
  mapCreate(
    type: number,
    name: string,
    keySize: number,
    valueSize: number,
    maxEntries: number,
    options: Buffer,
  ): number;
  mapUpdate(fd: number, key: Uint8Array, value: Uint8Array, flags: number): number;
  /** {@link mapUpdate} on a worker thread, for the writes that wait for a grace period. */
  mapUpdateAsync(fd: number, key: Uint8Array, value: Uint8Array, flags: number): Promise<number>;
  mapLookup(fd: number, key: Uint8Array, value: Uint8Array): number;
  mapUpdateBatch(
    fd: number,
    keys: Uint8Array,
    values: Uint8Array,
    count: [number],
    options: null,
  ): number;
  mapDeleteBatch(fd: number, keys: Uint8Array, count: [number], options: null): number;
  mapLookupBatch(
    fd: number,
    inBatch: Uint8Array | null,
    outBatch: Uint8Array,
    keys: Uint8Array,
    values: Uint8Array,
    count: [number],
    options: null,
  ): number;
  mapFdById(id: number): number;
  btfFdById(id: number): number;
  objectPin(fd: number, path: string): number;
  objectGet(path: string): number;
  objectInfo(fd: number, info: Uint8Array, size: [number]): number;
  linkCreate(
    programFd: number,
    targetFd: number,
    attachType: number,
    options: Uint8Array | null,
  ): number;
  linkUpdate(linkFd: number, programFd: number, options: null): number;
  linkDetach(linkFd: number): number;
  programFdById(id: number): number;
  /** @param ids room for `count` ids, of 4 bytes each. */
  programQuery(
    targetFd: number,
    attachType: number,
    queryFlags: number,
    attachFlags: [number],
    ids: Uint8Array,
    count: [number],
  ): number;
  /** @param hook a struct bpf_tc_hook, `options` a struct bpf_tc_opts. */
  tcHookCreate(hook: Uint8Array): number;
  tcHookDestroy(hook: Uint8Array): number;
  tcAttach(hook: Uint8Array, options: Uint8Array): number;
  tcDetach(hook: Uint8Array, options: Uint8Array): number;
  tcQuery(hook: Uint8Array, options: Uint8Array): number;
  iteratorCreate(linkFd: number): number;
  /** @param options in and out: struct bpf_test_run_opts. */
  programTestRun(programFd: number, options: Uint8Array): number;
  /** @param printer null silences libbpf. */
  setPrint(printer: unknown): unknown;
  version(): string;
}

let loaded: Libbpf | undefined;
let wrapped = (lib: Libbpf): Libbpf => lib;

/** The library, loaded at first use. Throws EnvironmentError when it is not there. */
export function libbpf(): Libbpf {
  loaded ??= wrapped(load());
  return loaded;
}

/** Has every call go through what `wrap` makes of the library: only tests do, which say no in the kernel's place. */
export function interpose(wrap: (lib: Libbpf) => Libbpf): void {
  if (loaded) throw new Error('libbpf is in use already');
  wrapped = wrap;
}

/** errno of the call just made, for functions that return a pointer. */
export function lastErrno(): number {
  return koffi.errno();
}

/** Where `bytes` lie. They must be kept referenced for as long as the address is in use. */
export function addressOf(bytes: Uint8Array): Pointer {
  return koffi.address(bytes);
}

/**
 * Has libbpf tell `print(level, text)` what it says, until the function that is returned is called. `print` must not
 * throw, and may ask for the text only while it runs. There is one printer at a time: the last one.
 */
export function listenToLibbpf(print: (level: number, text: () => string) => void): () => void {
  const lib = libbpf();
  const callback = koffi.register((level: number, format: unknown, args: unknown) => {
    print(level, () => formatText(format, args));
    return 0;
  }, printerType());
  lib.setPrint(callback);
  return () => {
    lib.setPrint(null);
    koffi.unregister(callback);
  };
}

let printer: TypeObject | undefined;

function printerType(): TypeObject {
  printer ??= koffi.pointer(koffi.proto('int LibbpfPrinter(int level, void *format, void *args)'));
  return printer;
}

let vsnprintf: ((...args: unknown[]) => number) | undefined;

/** libc formats what libbpf says; a va_list passes through as a pointer on x86-64 and arm64. */
function formatText(format: unknown, args: unknown): string {
  vsnprintf ??= koffi
    .load('libc.so.6')
    .func('int vsnprintf(_Out_ char *buffer, size_t size, void *format, void *args)');
  const buffer = Buffer.alloc(8192);
  const length = vsnprintf(buffer, buffer.length, format, args);
  return buffer.toString('utf8', 0, Math.min(length, buffer.length - 1));
}

function load(): Libbpf {
  const lib = open();
  const mapUpdate = lib.func(
    'int bpf_map_update_elem(int fd, const void *key, const void *value, uint64_t flags)',
  );
  const objectLoad = lib.func('int bpf_object__load(void *object)');
  const functions = {
    objectOpen: lib.func('void *bpf_object__open_file(const char *path, const void *opts)'),
    objectLoad,
    objectLoadAsync: promisify(objectLoad.async),
    objectClose: lib.func('void bpf_object__close(void *object)'),
    findMap: lib.func('void *bpf_object__find_map_by_name(void *object, const char *name)'),
    findProgram: lib.func('void *bpf_object__find_program_by_name(void *object, const char *name)'),
    nextMap: lib.func('void *bpf_object__next_map(const void *object, const void *previous)'),
    mapName: lib.func('const char *bpf_map__name(const void *map)'),
    mapSetAutocreate: lib.func('int bpf_map__set_autocreate(void *map, bool autocreate)'),
    mapSetPinPath: lib.func('int bpf_map__set_pin_path(void *map, const char *path)'),
    mapSetMaxEntries: lib.func('int bpf_map__set_max_entries(void *map, uint32_t max)'),
    mapSetInnerMapFd: lib.func('int bpf_map__set_inner_map_fd(void *map, int fd)'),
    mapFd: lib.func('int bpf_map__fd(void *map)'),
    nextProgram: lib.func('void *bpf_object__next_program(const void *object, void *previous)'),
    programName: lib.func('const char *bpf_program__name(const void *program)'),
    programSetAutoload: lib.func('int bpf_program__set_autoload(void *program, bool autoload)'),
    programFd: lib.func('int bpf_program__fd(void *program)'),
    mapCreate: lib.func(
      'int bpf_map_create(int type, const char *name, uint32_t key, uint32_t value, uint32_t max, void *opts)',
    ),
    mapUpdate,
    mapUpdateAsync: promisify(mapUpdate.async),
    mapLookup: lib.func('int bpf_map_lookup_elem(int fd, const void *key, _Out_ void *value)'),
    mapUpdateBatch: lib.func(
      'int bpf_map_update_batch(int fd, const void *keys, const void *values, _Inout_ uint32_t *count, const void *opts)',
    ),
    mapDeleteBatch: lib.func(
      'int bpf_map_delete_batch(int fd, const void *keys, _Inout_ uint32_t *count, const void *opts)',
    ),
    mapLookupBatch: lib.func(
      'int bpf_map_lookup_batch(int fd, void *in, void *out, void *keys, void *values, _Inout_ uint32_t *count, const void *opts)',
    ),
    mapFdById: lib.func('int bpf_map_get_fd_by_id(uint32_t id)'),
    btfFdById: lib.func('int bpf_btf_get_fd_by_id(uint32_t id)'),
    objectPin: lib.func('int bpf_obj_pin(int fd, const char *path)'),
    objectGet: lib.func('int bpf_obj_get(const char *path)'),
    objectInfo: lib.func('int bpf_obj_get_info_by_fd(int fd, void *info, _Inout_ uint32_t *size)'),
    linkCreate: lib.func(
      'int bpf_link_create(int program, int target, int type, const void *opts)',
    ),
    linkUpdate: lib.func('int bpf_link_update(int link, int program, const void *opts)'),
    linkDetach: lib.func('int bpf_link_detach(int link)'),
    programFdById: lib.func('int bpf_prog_get_fd_by_id(uint32_t id)'),
    programQuery: lib.func(
      'int bpf_prog_query(int target, int type, uint32_t flags, _Out_ uint32_t *attachFlags, void *ids, _Inout_ uint32_t *count)',
    ),
    tcHookCreate: lib.func('int bpf_tc_hook_create(void *hook)'),
    tcHookDestroy: lib.func('int bpf_tc_hook_destroy(void *hook)'),
    tcAttach: lib.func('int bpf_tc_attach(const void *hook, void *opts)'),
    tcDetach: lib.func('int bpf_tc_detach(const void *hook, const void *opts)'),
    tcQuery: lib.func('int bpf_tc_query(const void *hook, void *opts)'),
    iteratorCreate: lib.func('int bpf_iter_create(int link)'),
    programTestRun: lib.func('int bpf_prog_test_run_opts(int program, _Inout_ void *opts)'),
    setPrint: lib.func('libbpf_set_print', 'void *', [printerType()]),
    version: lib.func('const char *libbpf_version_string()'),
  };
  functions.setPrint(null);
  return functions as unknown as Libbpf;
}

function open(): LibraryHandle {
  try {
    return koffi.load('libbpf.so.1');
  } catch (cause) {
    throw new EnvironmentError('cannot load libbpf.so.1', {
      cause,
      hint: 'install it: apt-get install libbpf1 (Debian, Ubuntu)',
    });
  }
}
