// SPDX-License-Identifier: Apache-2.0
// Lists of ports as the kernel writes them: joined, and taken apart again.

import test from 'ava';
import fc from 'fast-check';
import {
  containsPorts,
  DEFAULT_MASQUERADE_PORTS,
  formatPortList,
  formatPortRange,
  type PortRange,
  parsePortList,
  parsePortRange,
  portsOutside,
  withoutPorts,
  withPorts,
} from '../../../agent/model/port-ranges.ts';

const range = (text: string): PortRange => {
  const parsed = parsePortRange(text);
  if (!parsed) throw new Error(`${text} is no range`);
  return parsed;
};

test('the default is half of the dynamic ports that Linux uses, and none that nodePorts may have', (t) => {
  t.is(formatPortRange(DEFAULT_MASQUERADE_PORTS), '49152-65535');
});

test('a range is two ports in order', (t) => {
  t.deepEqual(parsePortRange(' 50000-50009 '), { first: 50000, count: 10 });
  t.deepEqual(parsePortRange('1-65535'), { first: 1, count: 65535 });
  t.deepEqual(parsePortRange('7-7'), { first: 7, count: 1 });
  for (const text of ['', '50000', '50009-50000', '0-9', '1-65536', '-9', '9-', 'a-b', '1-2-3']) {
    t.is(parsePortRange(text), undefined, text);
  }
});

const merges = test.macro((t, list: string, more: string, expected: string) => {
  t.is(formatPortList(withPorts(parsePortList(list), range(more))), expected);
});
test('nothing was reserved', merges, '\n', '49152-65535', '49152-65535');
test('others stay', merges, '8080,9148-9150\n', '50000-50009', '8080,9148-9150,50000-50009');
test('what touches is one', merges, '49999,50010-50012', '50000-50009', '49999-50012');
test('what overlaps is one', merges, '40000-50005', '50000-50009', '40000-50009');
test('what is inside stays', merges, '40000-60000', '50000-50009', '40000-60000');
test('what is around takes it in', merges, '50003,50005-50006', '50000-50009', '50000-50009');
test('two become one', merges, '1-2,4-5', '3-3', '1-5');

const cuts = test.macro((t, list: string, less: string, expected: string) => {
  t.is(formatPortList(withoutPorts(parsePortList(list), range(less))), expected);
});
test('the whole of it', cuts, '49152-65535', '49152-65535', '');
test('out of the middle', cuts, '40000-60000', '50000-50009', '40000-49999,50010-60000');
test('off the ends', cuts, '49990-50003,50008-50020', '50000-50009', '49990-49999,50010-50020');
test('what is not there', cuts, '8080,50010', '50000-50009', '8080,50010');

const ranges = fc
  .tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 12 }))
  .map(([first, count]) => ({ first, count }));
const portsOf = (all: readonly PortRange[]) =>
  new Set(all.flatMap(({ first, count }) => Array.from({ length: count }, (_, i) => first + i)));

test('each list is the set of its ports', (t) => {
  fc.assert(
    fc.property(fc.array(ranges), ranges, (all, one) => {
      const [held, own] = [portsOf(all), portsOf([one])];
      t.deepEqual(
        portsOf(withPorts(all, one)),
        new Set([...held.union(own)].sort((a, b) => a - b)),
      );
      t.deepEqual([...portsOf(withoutPorts(all, one))].sort(), [...held.difference(own)].sort());
      t.is(containsPorts(all, one), own.isSubsetOf(held));
      t.is(portsOutside(one, all), own.difference(held).size);
    }),
  );
});
