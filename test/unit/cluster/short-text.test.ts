// SPDX-License-Identifier: Apache-2.0
// What is kept of a field that makes no sense: a few words, and not the field.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import test from 'ava';
import { parseService } from '../../../agent/cluster/service.ts';
import { beginningOf } from '../../../agent/cluster/short-text.ts';
import { parseWatchEvent } from '../../../agent/cluster/watch-protocol.ts';

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

const LONG = 'x'.repeat(256 * 1024);
const OBJECTS = 200;

test('a text is cut to its beginning', (t) => {
  t.is(beginningOf('abc', 3), 'abc');
  t.is(beginningOf('abcd', 3), 'abc');
  t.is(beginningOf('', 3), '');
});

const KEPT: readonly (readonly [what: string, keep: () => unknown])[] = [
  [
    'an annotation',
    () => {
      const annotations = { 'signalbox/balancing': LONG };
      const metadata = { name: 'web', annotations };
      return parseService(
        JSON.parse(JSON.stringify({ metadata, spec: { clusterIP: '10.0.0.1' } })),
      );
    },
  ],
  [
    'an address',
    () => parseService(JSON.parse(`{"metadata":{"name":"a"},"spec":{"clusterIP":"${LONG}"}}`)),
  ],
  [
    'an address that another contradicts',
    () =>
      parseService(
        JSON.parse(`{"metadata":{"name":"a"},"spec":{"clusterIP":"${LONG}","clusterIPs":["::"]}}`),
      ),
  ],
  [
    'what an API server says',
    () => {
      try {
        return parseWatchEvent(`{"type":"ERROR","object":{"code":500,"message":"${LONG}"}}`);
      } catch (error) {
        return (error as Error).message;
      }
    },
  ],
];

for (const [what, keep] of KEPT) {
  test(`of ${what} of 256 KiB a message keeps little`, (t) => {
    collect();
    const before = process.memoryUsage().heapUsed;
    const kept = Array.from({ length: OBJECTS }, () => keep());
    collect();
    const each = (process.memoryUsage().heapUsed - before) / kept.length;
    t.true(each < 16 * 1024, `${each} bytes each`);
  });
}
