// SPDX-License-Identifier: Apache-2.0
// What a process that runs with preload.ts is told to suffer: one order a line, in a file that it reads at every call, so that
// a test can change its mind while the process runs.
//
//   kill@17                                        SIGKILL in place of the 17th call that changes something
//   errno=EPERM@mapUpdateBatch:frontends           refuses each such call, as long as the order stands
//   errno=E2BIG@mapUpdateBatch:frontends,done=2    ... once two entries of the batch are done
//   errno=E2BIG@mapUpdateBatch:frontends,holding=0a600001   ... at each entry that has these bytes, in hex
//   errno=ENOMEM@mapCreate,times=3                 ... three times
//   list                                           nothing; calls are written down, as they are under any order
//   # 5                                            nothing
//
// Calls are counted from when the file was written last. Tests write it with FaultOrders (fault-orders.ts).

import { constants } from 'node:os';

/** Names the file of orders, to the preload. */
export const ORDERS_ENV = 'SIGNALBOX_FAULT_ORDERS';

/** Behind the name of the file of orders: where calls that change something are written down, one a line. */
export const CALLS_SUFFIX = '.calls';

export interface Refusal {
  readonly errno: number;
  /** Of a function of Libbpf, or of node:fs. */
  readonly call: string;
  /** The map, pin or file that it is about; undefined for any. Kernel names of maps are cut to 15 characters. */
  readonly target: string | undefined;
  /** Entries of a batch that are done before; undefined: it is refused as a whole, its count left as it was. */
  readonly done: number | undefined;
  /** Only entries with these bytes in them, in hex, and those one by one. */
  readonly holding: string | undefined;
  readonly times: number;
}

export interface Orders {
  /** Not even that calls are written down. */
  readonly areNone: boolean;
  /** Which call, from 1, the process does not live to make. */
  readonly killAt: number | undefined;
  readonly refusals: readonly Refusal[];
}

/** What the kernel answers for an entry, which it has counted the ones before of. */
const OF_ENTRIES: readonly string[] = ['E2BIG', 'ENOSPC', 'ENOENT', 'EBUSY'];
const NAME_LENGTH = 15;

/** @throws Error for what is no order. */
export function parseOrders(text: string): Orders {
  let killAt: number | undefined;
  const refusals: Refusal[] = [];
  const orders = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  for (const order of orders.filter((line) => line !== 'list')) {
    const [, at] = /^kill@(\d+)$/.exec(order) ?? [];
    if (at === undefined) refusals.push(parseRefusal(order));
    else killAt = Number(at);
  }
  return { areNone: orders.length === 0, killAt, refusals };
}

function parseRefusal(order: string): Refusal {
  const [, name = '', call = '', target, options = ''] =
    /^errno=(\w+)@(\w+)(?::([^,]+))?((?:,\w+=\w+)*)$/.exec(order) ?? [];
  const errno = (constants.errno as Readonly<Record<string, number>>)[name];
  if (errno === undefined) throw new Error(`no order: ${order}`);
  const option = (key: string) => {
    const [, value] = new RegExp(`,${key}=(\\w+)`).exec(options) ?? [];
    return value;
  };
  const done = Number(option('done') ?? (OF_ENTRIES.includes(name) ? 0 : Number.NaN));
  return {
    errno,
    call,
    target,
    done: Number.isNaN(done) ? undefined : done,
    holding: option('holding'),
    times: Number(option('times') ?? Infinity),
  };
}

/** Whether the refusal is meant for such a call. */
export function concerns({ call, target }: Refusal, made: string, madeOn: string): boolean {
  if (call !== made) return false;
  return target === undefined || target === madeOn || target.slice(0, NAME_LENGTH) === madeOn;
}
