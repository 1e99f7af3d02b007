// SPDX-License-Identifier: Apache-2.0
// The tables as pins (root): made once, found again, other builds' taken away, all removed.

import { readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { EnvironmentError } from '../../../agent/errors.ts';
import { attachments, openTables, PINNED_MAPS, Programs } from '../../../agent/sys/datapath.ts';
import { MAPS } from '../../../agent/sys/layout.gen.ts';
import { libbpf } from '../../../agent/sys/libbpf/ffi.ts';
import { KernelError } from '../../../agent/sys/libbpf/kernel-error.ts';
import { RawMap } from '../../../agent/sys/libbpf/map.ts';
import { HOOKS, Pins, pinName } from '../../../agent/sys/pins.ts';
import { backend } from '../../helpers/objects.ts';
import { openRealTables } from '../../helpers/real-tables.ts';
import { requireRoot } from '../../helpers/requirements.ts';

const USUAL = new Pins('/sys/fs/bpf/none', new Map());
const NAMES = PINNED_MAPS.map((spec) => path.basename(USUAL.map(spec))).sort();

test('loading again finds the tables as they are', (t) => {
  if (!requireRoot(t)) return;
  const tables = openRealTables(t);
  tables.slots.write([[5, backend('10.1.0.1:80')]]);
  tables.servicePorts.put([
    [7, { namespaceName: 'a', serviceName: 'b', portName: 'c', protocol: 6 }],
  ]);
  Programs.load(tables.pins).close();
  const again = tables.reopen();
  t.deepEqual(again.slots.read()[5], backend('10.1.0.1:80'));
  t.deepEqual(again.servicePorts.entries(), tables.servicePorts.entries());
  t.is(again.frontends.raw.id, tables.frontends.raw.id);
  t.deepEqual(readdirSync(path.join(tables.pins.directory, 'maps')).sort(), NAMES);
});

test('tables of other builds are removed, those in use stay', (t) => {
  if (!requireRoot(t)) return;
  const { pins } = openRealTables(t);
  const { key, value, type, flags } = MAPS.members;
  const sizes = { keySize: key.size, valueSize: value.size, maxEntries: 1 };
  const map = RawMap.create('members', { type, flags, ...sizes });
  t.teardown(() => map.close());
  const older = pins.map({ ...MAPS.members, layoutHash: '00000000' });
  t.is(libbpf().objectPin(map.fd, older), 0);
  t.deepEqual(pins.removeOtherMaps(PINNED_MAPS), [older]);
  t.deepEqual(pins.removeOtherMaps(PINNED_MAPS), []);
  t.deepEqual(readdirSync(path.join(pins.directory, 'maps')).sort(), NAMES);
});

test('tables that somebody has removed are missed', (t) => {
  if (!requireRoot(t)) return;
  const { pins } = openRealTables(t);
  t.deepEqual(pins.missingMaps(PINNED_MAPS), []);
  rmSync(pins.map(MAPS.flows));
  t.deepEqual(pins.missingMaps(PINNED_MAPS), [pins.map(MAPS.flows)]);
  rmSync(path.join(pins.directory, 'maps'), { recursive: true });
  t.is(pins.missingMaps(PINNED_MAPS).length, PINNED_MAPS.length);
});

test('slots move with frontends, which alone say which of them are in use', (t) => {
  const { frontends, slots, members } = MAPS;
  const [ofFrontends, ofSlots] = [frontends.layoutHash, slots.layoutHash];
  const name = (spec: Parameters<Pins['map']>[0]) =>
    pinName(spec, ({ maxEntries }) => maxEntries * 2);
  t.is(name(slots), `slots_${ofSlots}_${ofFrontends}_2_262144`);
  t.is(name(frontends), `frontends_${ofFrontends}_${ofSlots}_262144_2`);
  t.is(name(members), `members_${members.layoutHash}_131072`);
});

test('a table of another size is made beside the one that is there, which is found until it is removed', (t) => {
  if (!requireRoot(t)) return;
  const { pins, servicePorts, frontends } = openRealTables(t);
  const before = [MAPS.servicePorts, MAPS.frontends, MAPS.slots].map((spec) => pins.map(spec));
  const larger = new Pins(
    pins.directory,
    new Map([
      ['service_ports', 70_000],
      ['frontends', 1000],
      ['udp_backends', 8192],
    ]),
  );
  Programs.load(larger).close();
  const tables = openTables(larger);
  t.teardown(() => tables.close());
  t.deepEqual(
    [tables.servicePorts.raw.maxEntries, tables.frontends.raw.maxEntries],
    [70_000, 1000],
  );
  t.is(larger.entries(MAPS.udpServices), 8192);
  t.not(tables.servicePorts.raw.id, servicePorts.raw.id);
  t.not(larger.map(MAPS.slots), pins.map(MAPS.slots));
  // Who does not keep the tables goes by what is at work.
  t.deepEqual(
    [MAPS.servicePorts, MAPS.frontends, MAPS.slots].map((spec) => pins.map(spec)),
    before,
  );
  t.is(pins.entries(MAPS.frontends), frontends.raw.maxEntries);
  t.deepEqual(
    larger.removeOtherMaps(PINNED_MAPS).sort(),
    [...before, ...[MAPS.udpBackends, MAPS.udpServices].map((spec) => USUAL.map(spec))]
      .map((pin) => path.join(pins.directory, 'maps', path.basename(pin)))
      .sort(),
  );
  for (const spec of PINNED_MAPS) t.is(pins.map(spec), larger.map(spec));
  t.is(pins.entries(MAPS.frontends), 1000);
  t.deepEqual(pins.missingMaps(PINNED_MAPS), []);
});

test('a table of another size is refused', (t) => {
  if (!requireRoot(t)) return;
  const { pins, members } = openRealTables(t);
  rmSync(pins.map(MAPS.frontends));
  t.is(libbpf().objectPin(members.raw.fd, pins.map(MAPS.frontends)), 0);
  t.throws(() => openTables(pins), {
    instanceOf: RangeError,
    message: /^map .*frontends_\w+ has keys of 24 and values of 4 bytes; 24 and 32 are expected$/,
  });
});

test('removing all leaves nothing, and is no error when there is nothing', (t) => {
  if (!requireRoot(t)) return;
  const { pins } = openRealTables(t);
  t.is(pins.removeAll().length, PINNED_MAPS.length);
  t.throws(() => readdirSync(pins.directory), { code: 'ENOENT' });
  t.deepEqual(pins.removeAll(), []);
  t.throws(() => openTables(pins), { instanceOf: KernelError, message: /ENOENT/ });
  t.deepEqual(
    attachments(pins),
    HOOKS.map((hook) => ({ hook, programId: 0 })),
  );
});

test('pins lie in a BPF file system or nowhere', (t) => {
  const pins = new Pins(path.join(tmpdir(), 'signalbox', 'not-bpffs'));
  const error = t.throws(() => pins.create(), { instanceOf: EnvironmentError });
  t.regex(error?.message ?? '', /is not in a BPF file system$/);
});

test('closed tables settle nothing, whoever has their descriptors by now', async (t) => {
  if (!requireRoot(t)) return;
  const closed = openTables(openRealTables(t).pins);
  closed.close();
  const other = openRealTables(t);
  await t.throwsAsync(closed.slots.settle(), { message: /closed/ });
  other.slots.write([[0, backend('10.1.0.1:80')]]);
  t.deepEqual(other.reopen().slots.read()[0], backend('10.1.0.1:80'));
});
