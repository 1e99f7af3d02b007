// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import fc from 'fast-check';
import {
  addressHash,
  type IpAddress,
  networkHash,
  networkHashes,
  parseAddress,
  readAddress,
} from '../../../agent/model/address.ts';
import type { MapSpec } from '../../../agent/sys/codec.ts';
import { KernelMap } from '../../../agent/sys/kernel-map.ts';
import { FrontendScope, MAPS } from '../../../agent/sys/layout.gen.ts';
import { RawMap } from '../../../agent/sys/libbpf/map.ts';
import { openRealTables, type RealTables } from '../../helpers/real-tables.ts';
import { requireRoot } from '../../helpers/requirements.ts';

const address = (text: string) => parseAddress(text) as IpAddress;
const hash = (text: string) => networkHash(address(text));

/** The bits in the kernel, and those of networks and of single addresses. */
function bitsOf({ pins }: RealTables) {
  const raw = RawMap.openPin(pins.map(MAPS.servedNetworks));
  const map = new KernelMap(raw, MAPS.servedNetworks);
  const isSet = (hash: number) => {
    const bit = hash >>> 16;
    const word = map.get(Math.floor(bit / 64))?.bits ?? 0n;
    return ((word >> BigInt(bit % 64)) & 1n) === 1n;
  };
  return {
    map,
    has: (text: string) => isSet(hash(text)),
    hasAlone: (text: string) => isSet(addressHash(address(text))),
    count: () =>
      map
        .entries()
        .reduce((sum, [, { bits }]) => sum + bits.toString(2).replaceAll('0', '').length, 0),
  };
}

const key = (text: string) => ({
  address: address(text),
  port: 80,
  protocol: 6,
  scope: FrontendScope.AT_ADDRESS,
});
const value = {
  servicePortId: 1,
  kind: 1,
  flags: 0,
  affinityTimeoutSeconds: 0,
  inside: { first: 0, count: 0 },
  outside: { first: 0, count: 0 },
} as const;

test('addresses of one network have one hash, and networks of a prefix those of their addresses', (t) => {
  t.is(hash('10.96.0.1'), hash('10.96.0.254'));
  t.not(hash('10.96.0.1'), hash('10.96.1.1'));
  t.is(hash('fd00:1::1'), hash('fd00:1::ffff:0:0:1'));
  t.not(hash('fd00:1::1'), hash('fd00:1:0:1::1'));
  const bytes = fc.uint8Array({ minLength: 16, maxLength: 16 });
  fc.assert(
    fc.property(bytes, fc.boolean(), fc.integer({ min: 0, max: 14 }), (random, isIpv4, wider) => {
      if (isIpv4) random.set([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
      const view = new DataView(random.buffer);
      const inside = readAddress(view, 0);
      const bits = (isIpv4 ? 120 : 64) - wider;
      for (let bit = bits; bit < 128; bit++) {
        random[bit >> 3] = (random[bit >> 3] ?? 0) & ~(0x80 >> (bit & 7));
      }
      const hashes = networkHashes(readAddress(view, 0), bits, 2 ** wider);
      return hashes?.includes(networkHash(inside)) === true;
    }),
  );
  t.is(networkHashes(address('10.0.0.0'), 96 + 8, 1024), undefined);
  t.is(networkHashes(address('::'), 0, 2 ** 16), undefined);
});

test('what is written is covered before, and stays so', (t) => {
  if (!requireRoot(t)) return;
  const tables = openRealTables(t);
  const bits = bitsOf(tables);
  t.teardown(() => bits.map.close());
  t.is(bits.count(), 0);
  tables.frontends.put([[key('10.96.0.1'), value]]);
  tables.nodePortAddresses.put([[{ address: address('192.0.2.7') }, { present: 1 }]]);
  tables.serviceCidrs.put([[{ bits: 96 + 20, address: address('10.97.0.0') }, { present: 1 }]]);
  tables.frontends.put([[key('fd00:10:96::1'), value]]);
  for (const text of ['10.96.0.9', '10.97.0.1', '10.97.15.1', 'fd00:10:96::9'])
    t.true(bits.has(text), text);
  t.true(bits.hasAlone('192.0.2.7'));
  // What is next to a node's address may be a pod.
  t.false(bits.has('192.0.2.7') || bits.hasAlone('192.0.2.8'));
  t.true(bits.count() >= 17 && bits.count() <= 19);
  tables.frontends.delete([key('10.96.0.1')]);
  t.true(bits.has('10.96.0.1'));
  tables.serviceCidrs.put([[{ bits: 96 + 7, address: address('10.0.0.0') }, { present: 1 }]]);
  t.is(bits.count(), 2 ** 16);
});

test('what somebody takes away is put back when the table is read', (t) => {
  if (!requireRoot(t)) return;
  const tables = openRealTables(t);
  const bits = bitsOf(tables);
  t.teardown(() => bits.map.close());
  tables.frontends.put([[key('10.96.0.1'), value]]);
  bits.map.put(bits.map.entries().map(([index]) => [index, { bits: 0n }]));
  t.false(bits.has('10.96.0.1'));
  t.is(tables.frontends.entries().length, 1);
  t.true(bits.has('10.96.0.1'));
});

test('what an older build has written, before or since, is covered when it is first read', (t) => {
  if (!requireRoot(t)) return;
  const tables = openRealTables(t);
  const bits = bitsOf(tables);
  t.teardown(() => bits.map.close());
  tables.frontends.put([[key('10.95.0.1'), value]]);
  const older = <K, V>(spec: MapSpec<K, V>, entry: readonly [K, V]) => {
    const map = new KernelMap(RawMap.openPin(tables.pins.map(spec)), spec);
    t.deepEqual(map.put([entry]), []);
    map.close();
  };
  older(MAPS.frontends, [key('10.96.0.1'), value]);
  older(MAPS.nodePortAddresses, [{ address: address('192.0.2.7') }, { present: 1 }]);
  older(MAPS.serviceCidrs, [{ bits: 96 + 23, address: address('10.97.0.0') }, { present: 1 }]);
  t.is(bits.count(), 1);
  const { frontends, nodePortAddresses, serviceCidrs } = tables.reopen();
  for (const table of [frontends, nodePortAddresses, serviceCidrs]) table.entries();
  for (const text of ['10.96.0.1', '10.97.0.1', '10.97.1.1']) t.true(bits.has(text), text);
  t.true(bits.hasAlone('192.0.2.7'));
});
