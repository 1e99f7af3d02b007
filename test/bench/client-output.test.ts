// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import { parseBulkSample, parseOutput } from './client-output.ts';

test('each line is an arm, what it did, and what it measured', (t) => {
  const output = parseOutput('direct 70 100 200\nsignalbox-past 70 90/100\n');
  t.deepEqual(
    [...output],
    [
      ['direct', { exchanges: 70, samples: ['100', '200'] }],
      ['signalbox-past', { exchanges: 70, samples: ['90/100'] }],
    ],
  );
});

test('a sample of bulk is CPU and time', (t) => {
  t.deepEqual(parseBulkSample('90/100'), { cpuNs: 90, ns: 100 });
  t.throws(() => parseBulkSample('90'), { instanceOf: RangeError });
});
