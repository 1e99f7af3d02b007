// SPDX-License-Identifier: Apache-2.0
// Destroys connected UDP sockets whose backend is gone (semantics 1.15, 1.20). No hook runs when such a socket
// sends: without this, who never dials anew (a resolver, a sender of metrics) talks to nobody for good. Its
// owner gets ECONNABORTED, as if the network had failed, and dials again.
// Invariant: a socket is touched only while it is connected to the backend that its last connect() to a
// service led to, and that backend is not in `members`. TCP never is.

import { closeSync } from 'node:fs';
import path from 'node:path';
import { messageOf } from '../errors.ts';
import { tableSetup } from './datapath.ts';
import { MAPS, type StaleSocket, staleSocket } from './layout.gen.ts';
import { Iterator } from './libbpf/iterator.ts';
import { KernelError } from './libbpf/kernel-error.ts';
import { RawMap } from './libbpf/map.ts';
import { insideNetns } from './libbpf/netns.ts';
import { LoadedObject } from './libbpf/object.ts';
import { openNamespaces } from './net-namespaces.ts';
import type { Pins } from './pins.ts';
import { IteratorDestroyer, SockDiagDestroyer, type SocketDestroyer } from './socket-destroyers.ts';

/** What scripts/build makes of bpf/stale-find.bpf.c and bpf/stale-destroy.bpf.c. */
const BUILD = path.join(import.meta.dirname, '../../bpf/build');

/** By a program and bpf_sock_destroy (kernel 6.5), or by SOCK_DESTROY of sock_diag(7) (CONFIG_INET_DIAG_DESTROY). */
export type DestroyMethod = 'iterator' | 'sock_diag';

interface StaleSocketsOptions {
  /** A proc file system in which the node's processes are, to find network namespaces by. Default /proc. */
  readonly procDirectory?: string;
  /** Default: the first that this kernel can. */
  readonly method?: DestroyMethod;
}

export interface DestroyReport {
  /** Stale sockets, in all network namespaces. */
  readonly found: number;
  /** Those of them that are gone. */
  readonly destroyed: number;
  /** Network namespaces gone into. */
  readonly namespaces: number;
  /** Why the rest is not gone: each reason once, the same text as long as it is the same reason. */
  readonly problems: readonly string[];
}

export class StaleSockets {
  readonly method: DestroyMethod;
  readonly #finder: Iterator;
  readonly #destroyer: SocketDestroyer;
  readonly #procDirectory: string;

  private constructor(finder: Iterator, destroyer: SocketDestroyer, procDirectory: string) {
    this.#finder = finder;
    this.#destroyer = destroyer;
    this.method = destroyer.method;
    this.#procDirectory = procDirectory;
  }

  /**
   * Works with the tables pinned now: when others take their place, it is to be closed and loaded anew.
   *
   * @throws KernelError (ENOENT) when this build's tables are not pinned.
   */
  static load(
    pins: Pins,
    { procDirectory = '/proc', method }: StaleSocketsOptions = {},
  ): StaleSockets {
    // Opened first: loading would make and pin what is not there.
    const sockets = RawMap.openPin(pins.map(MAPS.socketServices));
    try {
      const finder = loadIterator(pins, 'stale-find.o', 'find_stale', sockets);
      try {
        return new StaleSockets(finder, chooseDestroyer(pins, method), procDirectory);
      } catch (error) {
        finder.close();
        throw error;
      }
    } finally {
      sockets.close();
    }
  }

  /**
   * Goes over all sockets that ever dialled a service, once when none is stale. To be called after backends
   * have left `members`, and once more a second later: a connect() under way may still lead to one of them.
   * Never throws. Returns when it is done, some milliseconds later.
   */
  destroyAll(): DestroyReport {
    try {
      const found = this.#find();
      if (found.length === 0) return { found: 0, destroyed: 0, namespaces: 0, problems: [] };
      return this.#destroy(found);
    } catch (error) {
      const problem = `cannot look for sockets whose backend is gone: ${messageOf(error)}`;
      return { found: 0, destroyed: 0, namespaces: 0, problems: [problem] };
    }
  }

  close(): void {
    this.#finder.close();
    this.#destroyer.close();
  }

  #destroy(found: readonly StaleSocket[]): DestroyReport {
    const byNamespace = Map.groupBy(found, ({ netnsInode }) => netnsInode);
    const problems = new Map<number, string>();
    const descriptors = openNamespaces(new Set(byNamespace.keys()), this.#procDirectory);
    try {
      for (const [inode, sockets] of byNamespace) {
        const problem = this.#destroyIn(descriptors.get(inode), sockets);
        if (problem !== undefined) problems.set(inode, problem);
      }
    } finally {
      for (const fd of descriptors.values()) closeSync(fd);
    }
    // Not what the destroyer says counts: iterators may pass over sockets in a crowd (before 6.16), and SOCK_DIAG
    // says of a socket that it cannot find and of a protocol that it does not know the same.
    const now = new Set(this.#find().map(({ cookie }) => cookie));
    const left = found.filter(({ cookie }) => now.has(cookie));
    return {
      found: found.length,
      destroyed: found.length - left.length,
      namespaces: descriptors.size,
      problems: describe(left, problems),
    };
  }

  /** @returns what went wrong. */
  #destroyIn(descriptor: number | undefined, sockets: readonly StaleSocket[]): string | undefined {
    if (descriptor === undefined) return `no process of ${this.#procDirectory} is in it`;
    try {
      return insideNetns(descriptor, () => this.#destroyer.prepare())(sockets);
    } catch (error) {
      return messageOf(error);
    }
  }

  #find(): StaleSocket[] {
    const bytes = this.#finder.start().readAll();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const count = Math.floor(bytes.length / staleSocket.size);
    return Array.from({ length: count }, (_, i) => staleSocket.read(view, i * staleSocket.size));
  }
}

function describe(left: readonly StaleSocket[], problems: ReadonlyMap<number, string>): string[] {
  return [...new Set(left.map(({ netnsInode }) => netnsInode))].map((inode) => {
    const why = problems.get(inode) ?? 'the kernel passed over them';
    return `UDP sockets in network namespace ${inode} stay with backends that are gone: ${why}`;
  });
}

function chooseDestroyer(pins: Pins, method: DestroyMethod | undefined): SocketDestroyer {
  if (method === 'sock_diag') return new SockDiagDestroyer();
  try {
    return new IteratorDestroyer(loadIterator(pins, 'stale-destroy.o', 'destroy_stale'));
  } catch (error) {
    if (method === 'iterator' || !(error instanceof KernelError)) throw error;
    return new SockDiagDestroyer();
  }
}

/** @param over the map to go over. The iterator keeps its program and the tables, the object is not needed then. */
function loadIterator(pins: Pins, file: string, program: string, over?: RawMap): Iterator {
  const maps = tableSetup(pins, [MAPS.members, MAPS.socketServices]);
  const object = LoadedObject.load(path.join(BUILD, file), maps);
  try {
    return new Iterator(object.programFd(program), program, over);
  } finally {
    object.close();
  }
}
