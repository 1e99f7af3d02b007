// SPDX-License-Identifier: Apache-2.0
// Pins whose descriptors are held: what becomes of them when somebody removes them, puts something else in their place, or
// takes the directory away. With real maps, in a part of the BPF file system of its own.

import { existsSync, fstatSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { HeldPins } from '../../../agent/sys/held-pins.ts';
import { RawMap } from '../../../agent/sys/libbpf/map.ts';
import { openPin, pinObject } from '../../../agent/sys/libbpf/pinned-link.ts';
import { requireRoot } from '../../helpers/requirements.ts';
import { BPFFS, ensureBpffs } from '../../lab/bpf-filesystem.ts';

const SHAPE = { type: 1, flags: 0, keySize: 4, valueSize: 4, maxEntries: 1 };

/** A directory for pins, and a map to pin. */
async function place(t: ExecutionContext) {
  await ensureBpffs();
  const directory = mkdtempSync(path.join(BPFFS, `sblab-${process.pid}-held-`));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const map = RawMap.create('held', SHAPE);
  t.teardown(() => map.close());
  const held = new HeldPins();
  t.teardown(() => held.close());
  return { directory, pin: path.join(directory, 'held'), map, held };
}

function idAt(pin: string): number | undefined {
  if (!existsSync(pin)) return undefined;
  const map = RawMap.openPin(pin);
  map.close();
  return map.id;
}

test('a pin that is removed is made again, once', async (t) => {
  if (!requireRoot(t)) return;
  const { pin, map, held } = await place(t);
  pinObject(map.fd, pin);
  held.hold(pin, map.fd);
  t.deepEqual(held.repair(), { pins: [] });
  rmSync(pin);
  t.deepEqual(held.repair(), { pins: [pin] });
  t.is(idAt(pin), map.id);
  t.deepEqual(held.repair(), { pins: [] });
});

test('what somebody has put in its place gives way', async (t) => {
  if (!requireRoot(t)) return;
  const { pin, map, held } = await place(t);
  pinObject(map.fd, pin);
  held.hold(pin, map.fd);
  const other = RawMap.create('other', SHAPE);
  t.teardown(() => other.close());
  rmSync(pin);
  pinObject(other.fd, pin);
  t.deepEqual(held.repair(), { pins: [pin] });
  t.is(idAt(pin), map.id);
  rmSync(pin);
  mkdirSync(pin);
  t.deepEqual(held.repair(), { pins: [pin] });
  t.is(idAt(pin), map.id);
});

test('what was held before it was pinned is pinned', async (t) => {
  if (!requireRoot(t)) return;
  const { pin, map, held } = await place(t);
  held.hold(pin, map.fd);
  t.deepEqual(held.repair(), { pins: [pin] });
});

test('a directory that is gone is made before, and only when it is needed', async (t) => {
  if (!requireRoot(t)) return;
  const { directory, pin, map, held } = await place(t);
  pinObject(map.fd, pin);
  held.hold(pin, map.fd);
  let made = 0;
  const make = () => {
    made++;
    mkdirSync(directory, { recursive: true });
  };
  t.deepEqual(held.repair(make), { pins: [] });
  t.is(made, 0);
  rmSync(directory, { recursive: true });
  t.regex(String(held.repair().error), /cannot make the pin .*: ENOENT/);
  const no = new Error('no');
  t.deepEqual(
    held.repair(() => {
      throw no;
    }),
    { pins: [], error: no },
  );
  t.deepEqual(held.repair(make), { pins: [pin] });
  t.is(made, 1);
});

test('what is opened by its pin outlives the pin, until it is closed', async (t) => {
  if (!requireRoot(t)) return;
  const { pin, map, held } = await place(t);
  t.is(held.open(pin), undefined);
  pinObject(map.fd, pin);
  const fd = held.open(pin);
  t.is(held.open(pin), fd);
  t.deepEqual(held.pins, [pin]);
  rmSync(pin);
  t.is(held.open(pin), fd);
  t.deepEqual(held.repair(), { pins: [pin] });
  held.remove(pin);
  t.is(openPin(pin), undefined);
  t.throws(() => fstatSync(fd as number), { code: 'EBADF' });
  t.deepEqual(held.repair(), { pins: [] });
});

test('what cannot be pinned is not held', async (t) => {
  if (!requireRoot(t)) return;
  const { directory, map, held } = await place(t);
  pinObject(map.fd, path.join(directory, 'held'));
  const copy = openPin(path.join(directory, 'held')) as number;
  t.throws(() => held.add(path.join(directory, 'nowhere/held'), copy), { code: 'ENOENT' });
  t.throws(() => fstatSync(copy), { code: 'EBADF' });
  t.deepEqual(held.pins, []);
});
