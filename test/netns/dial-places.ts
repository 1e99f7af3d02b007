// SPDX-License-Identifier: Apache-2.0
// The places where most sockets have what they dialled (bpf/dial.bpf.h), as tests look at them and take them away.

import { KernelMap } from '../../agent/sys/kernel-map.ts';
import { type Dial, MAPS } from '../../agent/sys/layout.gen.ts';
import { RawMap } from '../../agent/sys/libbpf/map.ts';
import { Pins } from '../../agent/sys/pins.ts';
import type { ProbeSocket, SocketProbe } from './socket-probe.ts';

function withDials<R>(bpffs: string, use: (dials: KernelMap<number, Dial>) => R): R {
  const dials = new KernelMap(RawMap.openPin(new Pins(bpffs).map(MAPS.dials)), MAPS.dials);
  try {
    return use(dials);
  } finally {
    dials.close();
  }
}

/** Cookies of the sockets that have a place, or had it last. */
export function placeOwners(bpffs: string): Set<bigint> {
  return new Set(withDials(bpffs, (dials) => dials.entries().map(([, { cookie }]) => cookie)));
}

/**
 * Takes every place, as if it were the same open socket's: only that it is open keeps others from taking it.
 *
 * @param service whom that socket connects to. @returns it; places are free again when it is closed.
 */
export async function takeEveryPlace(
  bpffs: string,
  probe: SocketProbe,
  service: readonly [address: string, port: number],
): Promise<ProbeSocket> {
  const before = placeOwners(bpffs);
  const socket = await probe.open('tcp', 4);
  const errno = await socket.connect(...service);
  if (errno !== '') throw new Error(`connect() to ${service.join(':')}: ${errno}`);
  withDials(bpffs, (dials) => {
    const entries = dials.entries();
    const own = entries.find(([, { cookie }]) => !before.has(cookie));
    if (!own) throw new Error('the socket has no place of its own');
    const [refused] = dials.put(entries.map(([index]) => [index, own[1]] as const));
    if (refused) throw refused.error;
  });
  return socket;
}
