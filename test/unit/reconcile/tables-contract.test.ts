// SPDX-License-Identifier: Apache-2.0
// What reconciling relies on in a table, run on the double and on the kernel's maps: so that what holds with
// the one holds with the other.

import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import type { IpAddress } from '../../../agent/model/address.ts';
import {
  PRESENT,
  prefixKey,
  prefixOfKey,
  sourceRangeKey,
  sourceRangeOf,
} from '../../../agent/reconcile/entries.ts';
import type { KernelTables, SlotTable, Table } from '../../../agent/reconcile/kernel-tables.ts';
import {
  type FrontendKey,
  FrontendKind,
  FrontendScope,
  type FrontendValue,
  type IpPort,
  MAPS,
  type Node,
  NodeFlags,
} from '../../../agent/sys/layout.gen.ts';
import { FakeSlots, FakeTable, FakeTables } from '../../helpers/fake-tables.ts';
import { prefix, prefixes } from '../../helpers/objects.ts';
import { openRealTables, openSmallHash } from '../../helpers/real-tables.ts';
import { requireRoot } from '../../helpers/requirements.ts';

/** More than any batch: apply's is 1,000 entries, a dump's 4,096. */
const MANY = 9001;

type Frontends = Table<FrontendKey, FrontendValue> & {
  get(key: FrontendKey): FrontendValue | undefined;
};

interface Kind {
  readonly name: string;
  readonly available: (t: ExecutionContext) => boolean;
  /** All end with the test. */
  readonly openFrontends: (t: ExecutionContext, limit: number) => Frontends;
  readonly openSlots: (t: ExecutionContext) => SlotTable;
  readonly openSourceRanges: (t: ExecutionContext, limit: number) => KernelTables['sourceRanges'];
  readonly openTables: (t: ExecutionContext) => KernelTables;
}

const KINDS: readonly Kind[] = [
  {
    name: 'double',
    available: () => true,
    openFrontends: (_, limit) => new FakeTable('frontends', MAPS.frontends, undefined, limit),
    openSlots: () => new FakeSlots(4096),
    openSourceRanges: (_, limit) =>
      new FakeTable('sourceRanges', MAPS.sourceRanges, undefined, limit),
    openTables: () => new FakeTables(),
  },
  {
    name: 'kernel',
    available: requireRoot,
    openFrontends: (t, limit) => openSmallHash(t, MAPS.frontends, limit),
    openSlots: (t) => openRealTables(t).slots,
    openSourceRanges: (t, limit) => openSmallHash(t, MAPS.sourceRanges, limit),
    openTables: openRealTables,
  },
];

const key = (n: number, protocol = 6): FrontendKey => ({
  address: `10.96.${n >> 8}.${n & 255}` as IpAddress,
  port: 80,
  protocol,
  scope: FrontendScope.AT_ADDRESS,
});
const value = (n: number): FrontendValue => ({
  servicePortId: n + 1,
  kind: FrontendKind.LOAD_BALANCER,
  flags: n % 32,
  affinityTimeoutSeconds: n,
  inside: { first: n, count: n % 5 },
  outside: { first: n + 5, count: n % 3 },
});
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
const sorted = (entries: readonly (readonly [FrontendKey, FrontendValue])[]) =>
  [...entries].sort(([, a], [, b]) => a.servicePortId - b.servicePortId);
const reasons = (refused: readonly { index: number; error: { code: string } }[]) =>
  refused.map(({ index, error }) => [index, error.code]);

/** Of both families, from the widest to a single address. */
const NESTED = [
  '10.0.0.0/8',
  '10.1.0.0/16',
  '10.1.2.3/32',
  '0.0.0.0/0',
  '::/0',
  'fd00::/8',
  'fd00::1/128',
];

for (const kind of KINDS) {
  const contract = (title: string, body: (t: ExecutionContext) => void | Promise<void>) =>
    test(`${kind.name}: ${title}`, async (t) => {
      if (kind.available(t)) await body(t);
    });

  contract('an entry is what was last put', (t) => {
    const table = kind.openFrontends(t, 10);
    t.is(table.get(key(1)), undefined);
    t.deepEqual(
      table.put([
        [key(1), value(1)],
        [key(2), value(2)],
      ]),
      [],
    );
    t.deepEqual(table.put([[key(1), value(3)]]), []);
    t.deepEqual(table.get(key(1)), value(3));
    t.deepEqual(sorted(table.entries()), [
      [key(2), value(2)],
      [key(1), value(3)],
    ]);
  });

  contract('every part of a key counts', (t) => {
    const table = kind.openFrontends(t, 10);
    const keys: FrontendKey[] = [
      key(1),
      key(1, 17),
      { ...key(1), port: 81 },
      { ...key(1), scope: FrontendScope.AT_NODE },
      { ...key(1), scope: FrontendScope.AT_OTHER_PORTS },
      { ...key(1), address: '::a60:1' as IpAddress },
      { ...key(1), address: 'fd00::1' as IpAddress, port: 65535, protocol: 132 },
    ];
    t.deepEqual(table.put(keys.map((k, n) => [k, value(n)])), []);
    t.deepEqual(
      sorted(table.entries()),
      keys.map((k, n) => [k, value(n)]),
    );
  });

  contract('deleting what is not there succeeds and goes on behind it', (t) => {
    const table = kind.openFrontends(t, 10);
    table.put([
      [key(1), value(1)],
      [key(2), value(2)],
      [key(3), value(3)],
    ]);
    t.deepEqual(table.delete([key(9), key(1), key(8), key(1), key(3), key(7)]), []);
    t.deepEqual(table.entries(), [[key(2), value(2)]]);
    t.deepEqual(table.delete([]), []);
    t.deepEqual(table.put([]), []);
  });

  contract('a full table refuses new keys one by one, and takes everything else', (t) => {
    const table = kind.openFrontends(t, 3);
    table.put([
      [key(0), value(0)],
      [key(1), value(1)],
    ]);
    const refused = table.put([
      [key(2), value(2)],
      [key(3), value(3)],
      [key(0), value(10)],
      [key(4), value(4)],
      [key(1), value(11)],
    ]);
    t.deepEqual(reasons(refused), [
      [1, 'E2BIG'],
      [3, 'E2BIG'],
    ]);
    t.deepEqual(sorted(table.entries()), [
      [key(2), value(2)],
      [key(0), value(10)],
      [key(1), value(11)],
    ]);
    table.delete([key(2)]);
    t.deepEqual(table.put([[key(3), value(3)]]), []);
  });

  contract('many entries at once: all put, all read, all deleted', (t) => {
    const table = kind.openFrontends(t, 2 * MANY);
    const entries = range(0, MANY).map((n) => [key(n), value(n)] as const);
    t.deepEqual(table.put(entries), []);
    t.deepEqual(sorted(table.entries()), entries as [FrontendKey, FrontendValue][]);
    const batches = [...table.batches(1000)];
    t.true(batches.every((batch) => batch.length <= 1000));
    t.deepEqual(sorted(batches.flat()), entries as [FrontendKey, FrontendValue][]);
    // Every second one, and as many that are not there.
    const keys = range(0, MANY).map((n) => key(2 * n));
    t.deepEqual(table.delete(keys), []);
    t.deepEqual(
      sorted(table.entries()),
      entries.filter((_, n) => n % 2 === 1) as [FrontendKey, FrontendValue][],
    );
  });

  contract('what nobody writes comes once in a walk, while others come, go and change', (t) => {
    const table = kind.openFrontends(t, 4 * MANY);
    const quiet = range(0, MANY).map((n) => [key(n), value(n)] as const);
    const busy = range(MANY, 2 * MANY).map((n) => [key(n), value(n)] as const);
    table.put([...quiet, ...busy]);
    const found: [FrontendKey, FrontendValue][] = [];
    let round = 0;
    for (const piece of table.batches(100)) {
      found.push(...piece.filter(([, { servicePortId }]) => servicePortId <= MANY));
      // What has just been read, what is still to come, and what is new.
      const some = busy.slice(50 * round, 50 * (round + 1)).map(([k]) => k);
      table.delete(piece.flatMap(([k, { servicePortId: id }]) => (id % 7 && id > MANY ? [k] : [])));
      table.delete(some.slice(25));
      table.put(some.slice(0, 25).map((k) => [k, value(3 * MANY)]));
      table.put(range(0, 50).map((n) => [key(2 * MANY + 50 * round + n), value(3 * MANY)]));
      round++;
    }
    t.true(round > MANY / 100);
    t.deepEqual(sorted(found), quiet as [FrontendKey, FrontendValue][]);
  });

  contract('many entries into a table that is full in the middle', (t) => {
    const table = kind.openFrontends(t, 5000);
    const refused = table.put(range(0, 5200).map((n) => [key(n), value(n)]));
    t.deepEqual(
      reasons(refused),
      range(5000, 5200).map((n) => [n, 'E2BIG']),
    );
    t.is(table.entries().length, 5000);
  });

  contract(
    'prefixes within prefixes, and those of other service ports, stand side by side',
    (t) => {
      const table = kind.openSourceRanges(t, 20);
      const keys = [
        ...NESTED.map((text) => sourceRangeKey(1, prefix(text))),
        sourceRangeKey(2, prefix('10.0.0.0/8')),
        sourceRangeKey(0xfffffffe, prefix('10.0.0.0/8')),
      ];
      t.deepEqual(table.put(keys.map((k) => [k, PRESENT])), []);
      t.deepEqual(table.put([[sourceRangeKey(1, prefix('10.0.0.0/8')), PRESENT]]), []);
      const texts = () =>
        table
          .entries()
          .map(([k, { present }]) => `${k.servicePortId} ${sourceRangeOf(k)} ${present}`)
          .sort();
      const expected = keys.map((k) => `${k.servicePortId} ${sourceRangeOf(k)} 1`);
      t.deepEqual(texts(), [...expected].sort());
      // Each alone, and what is not there not at all: not what it lies in, nor what lies in it.
      const gone = ['10.0.0.0/8', '10.1.0.0/17', '10.0.0.0/9', '::/0', 'fd00::/9'];
      t.deepEqual(table.delete(gone.map((text) => sourceRangeKey(1, prefix(text)))), []);
      const left = expected.filter((text) => text !== '1 10.0.0.0/8 1' && text !== '1 ::/0 1');
      t.deepEqual(texts(), left.sort());
    },
  );

  contract('a full table of prefixes refuses those that are new, one by one', (t) => {
    const table = kind.openSourceRanges(t, 3);
    const [a, b, c, d, e] = NESTED.map((text) => sourceRangeKey(1, prefix(text)));
    const refused = table.put([a, b, c, d, e].map((k) => [k as NonNullable<typeof k>, PRESENT]));
    t.deepEqual(
      refused.map(({ index }) => index),
      [3, 4],
    );
    t.is(table.entries().length, 3);
    t.deepEqual(table.delete([a as NonNullable<typeof a>]), []);
    t.deepEqual(table.put([[d as NonNullable<typeof d>, PRESENT]]), []);
    t.is(table.entries().length, 3);
  });

  contract('many prefixes at once: all put, all read, all deleted', (t) => {
    const table = kind.openSourceRanges(t, 2 * MANY);
    const keys = range(0, MANY).map((n) =>
      sourceRangeKey(n % 7, prefix(`10.${n >> 8}.${n & 255}.0/24`)),
    );
    t.deepEqual(table.put(keys.map((k) => [k, PRESENT])), []);
    const texts = (of: typeof keys) =>
      of.map((k) => `${k.servicePortId} ${sourceRangeOf(k)}`).sort();
    t.deepEqual(texts(table.entries().map(([k]) => k)), texts(keys));
    t.deepEqual(table.delete(keys), []);
    t.deepEqual(table.entries(), []);
  });

  for (const name of ['serviceCidrs', 'clusterCidrs'] as const) {
    contract(`CIDRs, nested: ${name}`, (t) => {
      const { [name]: cidrs } = kind.openTables(t);
      t.deepEqual(cidrs.entries(), []);
      t.deepEqual(cidrs.put(NESTED.map((text) => [prefixKey(prefix(text)), PRESENT])), []);
      t.deepEqual(cidrs.delete([prefixKey(prefix('10.1.0.0/16'))]), []);
      t.deepEqual(
        cidrs
          .entries()
          .map(([k]) => prefixOfKey(k))
          .sort(),
        prefixes(...NESTED)
          .filter((one) => one !== '10.1.0.0/16')
          .sort(),
      );
    });
  }

  contract('addresses of nodePorts', (t) => {
    const { nodePortAddresses } = kind.openTables(t);
    const addresses = ['10.0.0.1', 'fd00::1', '127.0.0.1'] as IpAddress[];
    t.deepEqual(nodePortAddresses.put(addresses.map((address) => [{ address }, PRESENT])), []);
    t.deepEqual(
      nodePortAddresses.delete(
        ['fd00::1', 'fd00::2'].map((address) => ({ address: address as IpAddress })),
      ),
      [],
    );
    t.deepEqual(
      nodePortAddresses
        .entries()
        .map(([{ address }]) => address)
        .sort(),
      ['10.0.0.1', '127.0.0.1'] as IpAddress[],
    );
  });

  contract('the one entry of the node is what was last put', (t) => {
    const { nodes } = kind.openTables(t);
    const node: Node = {
      netnsCookie: 0xf1f2f3f4f5f6f7f8n,
      flags: NodeFlags.LOOPBACK_NODE_PORTS,
      ipv4: '10.0.0.1' as IpAddress,
      ipv6: 'fd00::1' as IpAddress,
      masqueradeFirstPort: 0xc001,
      masqueradePortCount: 0x3ffe,
    };
    t.deepEqual(nodes.put([[0, node]]), []);
    t.deepEqual(nodes.entries(), [[0, node]]);
    const other: Node = { ...node, flags: 0, ipv4: '0.0.0.0' as IpAddress };
    t.deepEqual(nodes.put([[0, other]]), []);
    t.deepEqual(nodes.entries(), [[0, other]]);
  });

  const slot = (n: number): IpPort => ({ address: key(n).address, port: n % 65536 });

  contract('slots keep what they hold while they grow', async (t) => {
    const slots = kind.openSlots(t);
    const before = slots.capacity;
    const written = range(0, before).map((n) => [n, slot(n)] as const);
    t.deepEqual(slots.write(written), []);
    await slots.grow(before + 5000);
    t.is(slots.capacity, before + 5000);
    t.deepEqual(
      slots.read().slice(0, before),
      written.map(([, backend]) => backend),
    );
    t.deepEqual(slots.write([[before + 4999, slot(1)]]), []);
    const all = slots.read();
    t.is(all.length, before + 5000);
    t.deepEqual(all[before + 4999], slot(1));
  });

  contract('slots are read from anywhere, as many as are asked for', (t) => {
    const slots = kind.openSlots(t);
    const end = slots.capacity;
    slots.write(range(0, end).map((n) => [n, slot(n)] as const));
    for (const [first, count] of [
      [0, 1],
      [0, 0],
      [7, 3],
      [end - 1, 1],
      [end - 2000, 2000],
      [end, 0],
    ] as const) {
      t.deepEqual(slots.read(first, count), range(first, first + count).map(slot));
    }
  });

  contract('a slot behind the end is refused, the others are written', (t) => {
    const slots = kind.openSlots(t);
    const end = slots.capacity;
    const refused = slots.write([
      [end, slot(1)],
      [0, slot(2)],
      [end + 7, slot(3)],
      [end - 1, slot(4)],
    ]);
    t.deepEqual(reasons(refused), [
      [0, 'E2BIG'],
      [2, 'E2BIG'],
    ]);
    t.deepEqual([slots.read()[0], slots.read()[end - 1]], [slot(2), slot(4)]);
  });

  contract('settling leaves the slots as they are, also beside a growth', async (t) => {
    const slots = kind.openSlots(t);
    slots.write([[3, slot(3)]]);
    const end = slots.capacity;
    await Promise.all([slots.settle(), slots.grow(2 * end), slots.settle(), sleep(1)]);
    await slots.grow(3 * end);
    t.is(slots.capacity, 3 * end);
    t.deepEqual(slots.read()[3], slot(3));
  });
}

test('kernel: another process finds the slots that grew', async (t) => {
  if (!requireRoot(t)) return;
  const tables = openRealTables(t);
  await tables.slots.grow(9000);
  tables.slots.write([[8999, slotOf('10.1.0.1')]]);
  const again = tables.reopen();
  t.is(again.slots.capacity, 9000);
  t.deepEqual(again.slots.read()[8999], slotOf('10.1.0.1'));
});

test('kernel: a growth that the kernel refuses changes nothing', async (t) => {
  if (!requireRoot(t)) return;
  const { slots } = openRealTables(t);
  slots.write([[0, slotOf('10.1.0.1')]]);
  const before = slots.capacity;
  const error = await t.throwsAsync(slots.grow(0xffffffff));
  t.regex(error?.message ?? '', /^cannot create map .* of 4294967295 entries: E/);
  t.is(slots.capacity, before);
  t.deepEqual(slots.read()[0], slotOf('10.1.0.1'));
});

function slotOf(address: string): IpPort {
  return { address: address as IpAddress, port: 80 };
}
