// SPDX-License-Identifier: Apache-2.0
// The kernel refuses the bits of networks that are served: those entries are refused whose network it is, and nothing is
// taken for served that is not.

import test, { type ExecutionContext } from 'ava';
import { type IpAddress, networkHash, parseAddress } from '../../../agent/model/address.ts';
import { KernelMap } from '../../../agent/sys/kernel-map.ts';
import { type FrontendKey, FrontendScope, MAPS } from '../../../agent/sys/layout.gen.ts';
import { interpose } from '../../../agent/sys/libbpf/ffi.ts';
import { RawMap } from '../../../agent/sys/libbpf/map.ts';
import { ENOMEM } from '../../helpers/fake-tables.ts';
import { openRealTables } from '../../helpers/real-tables.ts';
import { requireRoot } from '../../helpers/requirements.ts';

type Call = 'mapLookup' | 'mapLookupBatch' | 'mapUpdateBatch';

/** Of the table of networks: whether such a call is refused, for the word that it is about. */
let isRefused: (call: Call, word?: number) => boolean = () => false;

const NAME = MAPS.servedNetworks.name.slice(0, 15);

interpose((lib) => {
  const isNetworks = (fd: number) => {
    const info = Buffer.alloc(88);
    lib.objectInfo(fd, info, [info.length]);
    return info.toString('latin1', 24, 40).replace(/\0.*$/s, '') === NAME;
  };
  const wordAt = (keys: Uint8Array, entry: number) =>
    new DataView(keys.buffer, keys.byteOffset).getUint32(entry * 4, true);
  return {
    ...lib,
    mapLookup: (fd, key, value) =>
      isNetworks(fd) && isRefused('mapLookup') ? -ENOMEM : lib.mapLookup(fd, key, value),
    mapLookupBatch: (fd, ...args) =>
      isNetworks(fd) && isRefused('mapLookupBatch') ? -ENOMEM : lib.mapLookupBatch(fd, ...args),
    mapUpdateBatch: (fd, keys, values, count, options) => {
      const upTo = isNetworks(fd)
        ? Array.from({ length: count[0] }, (_, i) => wordAt(keys, i)).findIndex((word) =>
            isRefused('mapUpdateBatch', word),
          )
        : -1;
      if (upTo < 0) return lib.mapUpdateBatch(fd, keys, values, count, options);
      const first: [number] = [upTo];
      if (upTo > 0) lib.mapUpdateBatch(fd, keys, values, first, options);
      count[0] = upTo;
      return -ENOMEM;
    },
  };
});

const address = (text: string) => parseAddress(text) as IpAddress;
const WORD_BITS = 64;
const bitOf = (text: string) => networkHash(address(text)) >>> 16;
const wordOf = (text: string) => Math.floor(bitOf(text) / WORD_BITS);

const GOOD = '10.96.0.1';
const BAD = '10.200.0.1';

function entry(text: string) {
  const key: FrontendKey = {
    address: address(text),
    port: 80,
    protocol: 6,
    scope: FrontendScope.AT_ADDRESS,
  };
  const run = { first: 0, count: 0 };
  const value = { servicePortId: 1, kind: 1, flags: 0, affinityTimeoutSeconds: 0 } as const;
  return [key, { ...value, inside: run, outside: run }] as const;
}

function open(t: ExecutionContext) {
  const tables = openRealTables(t);
  t.teardown(() => {
    isRefused = () => false;
  });
  t.not(wordOf(GOOD), wordOf(BAD));
  const there = () => tables.frontends.entries().map(([{ address: one }]) => one);
  return { ...tables, there };
}

test.serial('an entry whose network is refused is; those beside it are written', (t) => {
  if (!requireRoot(t)) return;
  const { frontends, there } = open(t);
  isRefused = (call, word) => call === 'mapUpdateBatch' && word === wordOf(BAD);
  const put = () => frontends.put([entry(GOOD), entry(BAD), entry('10.96.0.2')]);
  t.deepEqual(
    put().map(({ index, error }) => [index, error.code]),
    [[1, 'ENOMEM']],
  );
  t.deepEqual(there().sort(), [address(GOOD), address('10.96.0.2')].sort());
  // It is not taken for served the second time.
  t.is(put().length, 1);
  isRefused = () => false;
  t.deepEqual(put(), []);
  t.is(there().length, 3);
});

for (const refused of ['mapLookup', 'mapLookupBatch'] as const) {
  test.serial(
    `${refused} of the networks is refused: so are the entries, and nothing throws`,
    (t) => {
      if (!requireRoot(t)) return;
      const { frontends, there } = open(t);
      isRefused = (call) => call === refused;
      for (let times = 0; times < 2; times++) {
        t.deepEqual(
          frontends.put([entry(GOOD), entry(BAD)]).map(({ index, error }) => [index, error.code]),
          [
            [0, 'ENOMEM'],
            [1, 'ENOMEM'],
          ],
        );
      }
      isRefused = () => false;
      t.deepEqual(there(), []);
      t.deepEqual(frontends.put([entry(GOOD), entry(BAD)]), []);
    },
  );
}

function openNetworks(t: ExecutionContext, pin: string) {
  const networks = new KernelMap(RawMap.openPin(pin), MAPS.servedNetworks);
  t.teardown(() => networks.close());
  return networks;
}

test.serial('what is taken away and cannot be put back is, the next time', (t) => {
  if (!requireRoot(t)) return;
  const { frontends, pins } = open(t);
  t.deepEqual(frontends.put([entry(BAD)]), []);
  const stranger = openNetworks(t, pins.map(MAPS.servedNetworks));
  stranger.put(stranger.entries().map(([word]) => [word, { bits: 0n }]));
  isRefused = (call) => call === 'mapUpdateBatch';
  t.throws(() => frontends.entries(), { message: /served_networks.*ENOMEM/ });
  isRefused = () => false;
  frontends.entries();
  const bits = stranger.get(wordOf(BAD))?.bits ?? 0n;
  t.is((bits >> BigInt(bitOf(BAD) % WORD_BITS)) & 1n, 1n);
});
