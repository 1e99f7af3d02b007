// SPDX-License-Identifier: Apache-2.0
// What the kernel says, were it to say something else: netlink messages, files of /proc, /sys and the cgroups, the rules
// of iptables, and entries that strangers have written into the tables.

import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import {
  affinityCells,
  affinityJson,
  listAffinities,
} from '../../../agent/commands/affinity-view.ts';
import { flowCells, flowJson, listFlows } from '../../../agent/commands/flow-view.ts';
import {
  countFrontends,
  formatFrontend,
  frontendViews,
  nameCells,
} from '../../../agent/commands/kernel-view.ts';
import { networkMounts } from '../../../agent/doctor/probe-mounts.ts';
import { MendableError } from '../../../agent/errors.ts';
import { addressOfBytes } from '../../../agent/model/address.ts';
import {
  type IptablesTable,
  KUBE_PROXY_TABLES,
  parseTables,
  planRemoval,
} from '../../../agent/plan/kube-proxy-chains.ts';
import { prefixOfKey, servicePortOf, sourceRangeOf } from '../../../agent/reconcile/entries.ts';
import { restore } from '../../../agent/reconcile/restore.ts';
import {
  ALL_ADDRESSES,
  deviceAddressOf,
  localAddressOf,
} from '../../../agent/sys/address-messages.ts';
import { cgroupMounts, highestMount } from '../../../agent/sys/cgroup.ts';
import type { Codec } from '../../../agent/sys/codec.ts';
import {
  creationOf,
  deletionOf,
  translatedEntryOf,
} from '../../../agent/sys/conntrack-messages.ts';
import { cpuCount, cpusNamed } from '../../../agent/sys/cpus.ts';
import * as layout from '../../../agent/sys/layout.gen.ts';
import { linkOf } from '../../../agent/sys/link-messages.ts';
import {
  nestedAttribute,
  netfilterType,
  numberAttribute,
} from '../../../agent/sys/netfilter-messages.ts';
import {
  decodeAttributes,
  decodeMessages,
  encodeAttribute,
  encodeRequest,
  outcomeOf,
} from '../../../agent/sys/netlink-messages.ts';
import { parseLocks } from '../../../agent/sys/pins-lock.ts';
import { defaultRouteDevices } from '../../../agent/sys/route-messages.ts';
import { socketOf } from '../../../agent/sys/sock-diag-messages.ts';
import { clsactOf, isFilter } from '../../../agent/sys/tc-messages.ts';
import { faultTest } from '../../faults/fault-test.ts';
import { FakeTables } from '../../helpers/fake-tables.ts';
import { address } from '../../helpers/objects.ts';
import { iptablesScript, kubeletScript } from '../../lab/kube-proxy-rules/iptables-rules.ts';
import { Fuzzing } from './fuzz.ts';
import { mutatedBytes, mutatedText } from './mutate.ts';

const text = (value: string) => Buffer.from(`${value}\0`);
const u32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
};
const header = (size: number, fields: Readonly<Record<number, number>>) => {
  const bytes = Buffer.alloc(size);
  for (const [at, value] of Object.entries(fields)) bytes.writeUInt8(value, Number(at));
  return bytes;
};

/** One of each that the agent reads, as the kernel sends them. */
function messages(): Uint8Array[] {
  const tuple = {
    protocol: 6,
    source: { address: address('198.51.100.2'), port: 40_000 },
    destination: { address: address('10.96.0.10'), port: 80 },
  };
  const conntrack = [
    creationOf(tuple, 60).payload,
    numberAttribute(3, 32, 4),
    numberAttribute(12, 7, 4),
    nestedAttribute(4, nestedAttribute(1, numberAttribute(1, 3, 1))),
  ];
  const socket = Buffer.concat([
    header(72, { 0: 2, 1: 1, 4: 0x9c, 5: 0x40, 7: 53, 8: 10, 24: 10 }),
    encodeAttribute(21, Buffer.alloc(8, 1)),
  ]);
  const of: readonly (readonly [number, Uint8Array])[] = [
    [
      20,
      Buffer.concat([
        header(8, { 0: 2, 1: 24, 4: 2 }),
        encodeAttribute(1, Uint8Array.of(192, 0, 2, 1)),
        encodeAttribute(2, Uint8Array.of(192, 0, 2, 1)),
        encodeAttribute(8, u32(0x80)),
      ]),
    ],
    [
      20,
      Buffer.concat([
        header(8, { 0: 10, 1: 64, 2: 0x40, 4: 2 }),
        encodeAttribute(1, Buffer.alloc(16, 0xfd)),
      ]),
    ],
    [
      16,
      Buffer.concat([
        header(16, { 2: 1, 4: 2, 8: 1 }),
        encodeAttribute(3, text('eth0')),
        encodeAttribute(10, u32(3)),
        nestedAttribute(18, encodeAttribute(1, text('veth'))),
      ]),
    ],
    [
      24,
      Buffer.concat([
        header(12, { 0: 2, 4: 254, 7: 1 }),
        encodeAttribute(4, u32(2)),
        encodeAttribute(9, header(16, { 0: 8, 4: 2, 8: 8, 12: 3 })),
      ]),
    ],
    [
      36,
      Buffer.concat([
        Buffer.concat([header(12, { 4: 2 }), u32(0xfffffff1), u32(0)]),
        encodeAttribute(1, text('clsact')),
      ]),
    ],
    [44, header(20, { 4: 2 })],
    [netfilterType('conntrack', 0), Buffer.concat(conntrack)],
    [20, socket],
    [2, u32(-17)],
    [3, u32(0)],
  ];
  return of.map(([type, payload], i) => encodeRequest(type, i === 9 ? 0x10 : 0, 7, payload));
}

faultTest(
  test,
  'hostile-input',
  (t, report) => {
    const fuzzing = new Fuzzing(t);
    const corpus = messages();
    const aligned = corpus.map((bytes) => Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]));
    fuzzing.run({
      what: 'netlink messages',
      input: mutatedBytes([...corpus, Buffer.concat(aligned), ALL_ADDRESSES.payload]),
      runs: 15_000,
      check(bytes) {
        let read = 0;
        for (const message of decodeMessages(bytes)) {
          read += 16 + message.payload.byteLength;
          for (const offset of [0, 4, 8, 12, 16, 20]) decodeAttributes(message.payload, offset);
          outcomeOf(message);
          for (const found of [localAddressOf(message), deviceAddressOf(message)?.address]) {
            assert.ok(found === undefined || /^[\da-f.:]+$/.test(found));
          }
          const link = linkOf(message);
          assert.ok((link?.name.length ?? 0) <= bytes.length);
          assert.ok(defaultRouteDevices(message).length <= bytes.length);
          clsactOf(message);
          isFilter(message);
          const entry = translatedEntryOf(message);
          if (entry) deletionOf(entry);
          socketOf(message, 1);
        }
        assert.ok(read <= bytes.length, 'nothing is read past the end');
        addressOfBytes(bytes);
      },
    });
    report(fuzzing.figures);
  },
  'netlink messages',
);

const MOUNTINFO = [
  '24 30 0:22 / /proc rw,nosuid shared:12 - proc proc rw',
  '29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate',
  '31 29 0:27 /../.. /host/cgroup\\040v2 rw - cgroup2 none rw',
  '40 23 0:33 / /mnt/nfs rw shared:90 - nfs4 192.0.2.9:/x rw,vers=4.2,addr=192.0.2.9,clientaddr=192.0.2.1',
  '41 23 0:34 / /mnt/ceph rw - ceph 192.0.2.7:6789,[2001:db8::7]:6789:/ rw,name=a,mon_addr=192.0.2.7:6789',
].join('\n');
const LOCKS = [
  '1: FLOCK  ADVISORY  WRITE 4711 00:1f:1234 0 EOF',
  '1: -> FLOCK  ADVISORY  WRITE 4712 00:1f:1234 0 EOF',
  '2: POSIX  ADVISORY  READ  812 fe:00:77 128 128',
].join('\n');

faultTest(
  test,
  'hostile-input',
  (t, report) => {
    const fuzzing = new Fuzzing(t);
    fuzzing.run({
      what: 'mountinfo, locks, lists of CPUs',
      input: mutatedText(
        [MOUNTINFO, LOCKS, '0-3,8', '0', '0-127\n'],
        [' - ', 'cgroup2', '\\040', '\\777', 'addr=', '/../', 'FLOCK', '->', '00:1f:1234', 'EOF'],
      ),
      runs: 6_000,
      check(input) {
        const mounts = cgroupMounts(input);
        assert.ok(mounts.length <= input.length);
        highestMount(mounts);
        for (const { server } of networkMounts(input)) assert.match(server, /^[\da-f.:]+$/);
        const holder = parseLocks(input, '00:1f', 1234n);
        assert.ok(holder === undefined || holder > 0);
        for (const read of [cpuCount, cpusNamed]) {
          const count = unlessMendable(() => read(input));
          assert.ok(count === undefined || (Number.isInteger(count) && count >= 1));
        }
      },
    });
    const service = {
      name: 'default/web:http',
      protocol: 'tcp',
      clusterIP: '10.96.0.10',
      port: 80,
      nodePort: 30_080,
      externalIPs: ['203.0.113.1'],
      backends: [{ address: '10.244.1.2', port: 8080 }],
    } as const;
    const saved = iptablesScript([service], { family: 'IPv4', clusterCidr: '10.244.0.0/16' });
    fuzzing.run({
      what: 'what iptables-save prints',
      input: mutatedText(
        [saved, kubeletScript('IPv4'), `${saved}${kubeletScript('IPv6')}`],
        [
          '*nat\n',
          ':KUBE-SERVICES - [0:0]\n',
          '-A ',
          ' -j ',
          ' -g ',
          'COMMIT\n',
          'KUBE-MARK-MASQ',
          'KUBE-SEP-',
          ' --comment "',
          '\\"',
          '[1:2] ',
        ],
      ),
      runs: 3_000,
      check(input) {
        const tables = parseTables(input);
        for (const table of KUBE_PROXY_TABLES) {
          const content = tables.get(table);
          const removal = planRemoval(table, content);
          if (removal) checkScript(table, removal.script, content?.chains ?? []);
        }
      },
    });
    report(fuzzing.figures);
  },
  'what /proc and iptables print',
);

function unlessMendable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof MendableError) return undefined;
    throw error;
  }
}

/** Only lines that name what was there, each for one chain or rule: nothing else is slipped in. */
function checkScript(table: IptablesTable, script: string, chains: readonly string[]): void {
  const lines = script.trimEnd().split('\n');
  assert.equal(lines[0], `*${table}`);
  assert.equal(lines.at(-1), 'COMMIT');
  for (const line of lines.slice(1, -1)) {
    const [, chain = ''] = line.match(/^(?::|-D |-X )(\S+)/) ?? [];
    assert.ok(chains.includes(chain) || line.startsWith('-D '), line);
  }
}

/** Every codec of the generated layout, by its name. */
const CODECS = Object.entries(layout as Readonly<Record<string, unknown>>).flatMap(
  ([name, value]): [string, Codec<unknown>][] =>
    typeof value === 'object' && value !== null && 'read' in value && 'write' in value
      ? [[name, value as Codec<unknown>]]
      : [],
);

faultTest(
  test,
  'hostile-input',
  (t, report) => {
    const fuzzing = new Fuzzing(t);
    const bytes = (size: number) => {
      const sparse = mutatedBytes([new Uint8Array(size), new Uint8Array(size).fill(0xff)]);
      return fc.oneof(sparse, fc.uint8Array({ minLength: size, maxLength: size })).map((some) => {
        const exact = new Uint8Array(size);
        exact.set(some.subarray(0, size));
        return exact;
      });
    };
    fuzzing.run({
      what: 'any bytes in an entry',
      input: fc
        .constantFrom(...CODECS)
        .chain(([name, codec]) =>
          fc.tuple(fc.constant(name), fc.constant(codec), bytes(codec.size)),
        ),
      runs: 8_000,
      check([name, codec, entry]) {
        const value = codec.read(viewOf(entry), 0);
        const again = new Uint8Array(codec.size);
        codec.write(viewOf(again), 0, value);
        assert.deepEqual(codec.read(viewOf(again), 0), value, name);
      },
    });
    const entryOf = <K, V>(key: Codec<K>, value: Codec<V>) =>
      fc
        .tuple(bytes(key.size), bytes(value.size))
        .map(([k, v]) => [key.read(viewOf(k), 0), value.read(viewOf(v), 0)] as const);
    const flows = fc.array(entryOf(layout.flowKey, layout.flowValue), { maxLength: 6 });
    const affinities = fc.array(entryOf(layout.affinityKey, layout.affinityValue), {
      maxLength: 6,
    });
    const frontends = fc.array(entryOf(layout.frontendKey, layout.frontendValue), { maxLength: 6 });
    const names = fc.array(bytes(layout.servicePortName.size), { maxLength: 4 });
    const ranges = fc.array(bytes(layout.sourceRangeKey.size), { maxLength: 4 });
    fuzzing.run({
      what: 'entries of strangers, restored and shown',
      input: fc.record({
        flows,
        affinities,
        frontends,
        names,
        ranges,
        nowNs: fc.bigInt(0n, 2n ** 64n - 1n),
      }),
      runs: 3_000,
      check({ flows, affinities, frontends, names, ranges, nowNs }) {
        const tables = new FakeTables();
        tables.frontends.put(frontends);
        for (const [id, name] of names.entries()) {
          tables.servicePorts.put([[id, layout.servicePortName.read(viewOf(name), 0)]]);
        }
        for (const range of ranges) {
          const key = layout.sourceRangeKey.read(viewOf(range), 0);
          // The kernel takes no more bits than the key has.
          tables.sourceRanges.put([[{ ...key, bits: key.bits % 161 }, { present: 1 }]]);
          sourceRangeOf({ ...key, bits: key.bits % 161 });
          prefixOfKey({ address: key.address, bits: key.bits % 129 });
        }
        restore(tables);
        const views = frontendViews(tables);
        countFrontends(views);
        for (const view of views)
          assert.equal([...nameCells(view), formatFrontend(view.frontend)].length, 4);
        const nameOf = (id: number) => {
          const name = names[id];
          return name && servicePortOf(layout.servicePortName.read(viewOf(name), 0));
        };
        for (const flow of listFlows([flows], nameOf, nowNs).flows) {
          assert.ok(flowCells(flow).every((cell) => typeof cell === 'string'));
          JSON.stringify(flowJson(flow));
        }
        const shown = listAffinities({
          affinities,
          frontends,
          nodeCookie: 1n,
          nameOf,
          memberOf: () => undefined,
          nowNs,
        });
        for (const view of shown) {
          assert.ok(affinityCells(view).every((cell) => typeof cell === 'string'));
          JSON.stringify(affinityJson(view));
        }
      },
    });
    report(fuzzing.figures);
  },
  'entries of the tables',
);

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
