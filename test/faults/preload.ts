// SPDX-License-Identifier: Apache-2.0
// Run before a program (`node --import`): puts itself between the program and libbpf, and between it and the file system where
// that is the kernel's, and does what orders.ts says. The program knows nothing of it.
//
// A batch is one call: the kernel does not look for signals within one.

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';
import { getSystemErrorMap } from 'node:util';
import { interpose, type Libbpf } from '../../agent/sys/libbpf/ffi.ts';
import { CALLS_SUFFIX, concerns, ORDERS_ENV, parseOrders, type Refusal } from './orders.ts';

/** Functions of Libbpf that change something. */
const CHANGING = new Set<string>([
  'objectLoad',
  'objectLoadAsync',
  'objectPin',
  'mapCreate',
  'mapUpdate',
  'mapUpdateAsync',
  'mapUpdateBatch',
  'mapDeleteBatch',
  'linkCreate',
  'linkUpdate',
  'linkDetach',
  'tcHookCreate',
  'tcHookDestroy',
  'tcAttach',
  'tcDetach',
] satisfies readonly (keyof Libbpf)[]);

/** Functions of node:fs that change something. */
const FILE_CALLS = ['mkdirSync', 'rmSync', 'rmdirSync', 'unlinkSync', 'writeFileSync'] as const;
const KERNEL_FILES = /^\/(sys|proc)\//;

/** Where in the arguments the count of a batch is. */
const COUNT_AT: Readonly<Record<string, number>> = {
  mapUpdateBatch: 3,
  mapDeleteBatch: 2,
  mapLookupBatch: 5,
};

/** struct bpf_map_info (linux/bpf.h) */
const MAP_INFO = { size: 88, keySize: 8, valueSize: 12, name: 24, nameSize: 16 } as const;

type Call = (...args: unknown[]) => unknown;

/** As they are before anything is put in their place. */
const { readFileSync, appendFileSync, existsSync } = fs;

class Faults {
  readonly #file: string;
  #text = '';
  #orders = parseOrders('');
  #calls = 0;
  readonly #timesLeft = new Map<Refusal, number>();

  constructor(file: string) {
    this.#file = file;
  }

  /** @returns the refusal that it suffers; does not return when it is the process's last. */
  suffer(call: string, target: string, isChange: boolean): Refusal | undefined {
    this.#read();
    if (this.#orders.areNone) return undefined;
    if (isChange) {
      this.#calls++;
      appendFileSync(`${this.#file}${CALLS_SUFFIX}`, `${call}:${target}\n`);
      if (this.#calls === this.#orders.killAt) process.kill(process.pid, 'SIGKILL');
    }
    const refusal = this.#orders.refusals.find(
      (each) => concerns(each, call, target) && (this.#timesLeft.get(each) ?? each.times) > 0,
    );
    if (refusal) this.#timesLeft.set(refusal, (this.#timesLeft.get(refusal) ?? refusal.times) - 1);
    return refusal;
  }

  #read(): void {
    const text = readFileSync(this.#file, 'utf8');
    if (text === this.#text) return;
    this.#text = text;
    this.#orders = parseOrders(text);
    this.#calls = 0;
  }
}

const file = process.env[ORDERS_ENV];
if (file === undefined) throw new Error(`${ORDERS_ENV} names no file`);
const faults = new Faults(file);
interpose(between);
betweenFiles();

function between(lib: Libbpf): Libbpf {
  const calls = Object.entries(lib).map(([name, call]: [string, Call]): [string, Call] => [
    name,
    (...args) => {
      const refusal = faults.suffer(name, targetOf(lib, name, args), CHANGING.has(name));
      if (!refusal) return call(...args);
      const { holding } = refusal;
      if (holding === undefined) return refused(refusal, name, call, args);
      const done = entriesBefore(lib, name, args, holding);
      return done === undefined ? call(...args) : refused({ ...refusal, done }, name, call, args);
    },
  ]);
  return Object.fromEntries(calls) as unknown as Libbpf;
}

function refused({ errno, done }: Refusal, name: string, call: Call, args: unknown[]): unknown {
  const at = COUNT_AT[name];
  if (at !== undefined && done !== undefined) {
    const count = args[at] as [number];
    const first: [number] = [Math.min(done, count[0])];
    if (first[0] > 0) call(...args.with(at, first));
    count[0] = first[0];
  }
  return name.endsWith('Async') ? Promise.resolve(-errno) : -errno;
}

/** Of a batch. @returns undefined when it has no entry that holds the bytes. */
function entriesBefore(
  lib: Libbpf,
  name: string,
  args: readonly unknown[],
  holding: string,
): number | undefined {
  const info = mapInfo(lib, args[0] as number);
  const [count = 0] = args[COUNT_AT[name] as number] as [number];
  const parts = [
    { bytes: args[1] as Uint8Array, size: info.readUInt32LE(MAP_INFO.keySize) },
    ...(name === 'mapUpdateBatch'
      ? [{ bytes: args[2] as Uint8Array, size: info.readUInt32LE(MAP_INFO.valueSize) }]
      : []),
  ];
  const holds = (entry: number) =>
    parts.some(({ bytes, size }) =>
      Buffer.from(bytes.subarray(entry * size, (entry + 1) * size))
        .toString('hex')
        .includes(holding),
    );
  for (let entry = 0; entry < count; entry++) if (holds(entry)) return entry;
  return undefined;
}

/** The name of the map, what is below the directory of pins of a pin, the attach type of a link. */
function targetOf(lib: Libbpf, name: string, args: readonly unknown[]): string {
  if (name === 'mapCreate') return String(args[1]);
  if (name === 'linkCreate') return String(args[2]);
  if (name === 'objectPin') return belowPins(String(args[1]));
  if (name === 'objectGet' || name === 'objectOpen') return belowPins(String(args[0]));
  return name.startsWith('map') && typeof args[0] === 'number' ? mapName(lib, args[0]) : '';
}

function mapInfo(lib: Libbpf, fd: number): Buffer {
  const info = Buffer.alloc(MAP_INFO.size);
  lib.objectInfo(fd, info, [info.length]);
  return info;
}

function mapName(lib: Libbpf, fd: number): string {
  const info = mapInfo(lib, fd);
  const name = info.toString('latin1', MAP_INFO.name, MAP_INFO.name + MAP_INFO.nameSize);
  return name.replace(/\0.*$/s, '');
}

function belowPins(file: string): string {
  return file.split('/').slice(-2).join('/');
}

/** As Node makes them. */
function fileError(errno: number, syscall: string, file: string): Error {
  const [code = '', text = ''] = getSystemErrorMap().get(-errno) ?? [];
  const error = new Error(`${code}: ${text}, ${syscall} '${file}'`);
  return Object.assign(error, { errno: -errno, code, syscall, path: file });
}

function betweenFiles(): void {
  for (const name of FILE_CALLS) {
    const call = fs[name] as Call;
    const between: Call = (...args) => {
      const file = path.resolve(String(args[0]));
      // A directory that is there is made again for certainty.
      const isChange = name !== 'mkdirSync' || !existsSync(file);
      const refusal = KERNEL_FILES.test(file)
        ? faults.suffer(name, belowPins(file), isChange)
        : undefined;
      if (!refusal) return call(...args);
      throw fileError(refusal.errno, name.replace(/Sync$/, ''), file);
    };
    Object.assign(fs, { [name]: between });
  }
  syncBuiltinESMExports();
}
