// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import { faultRowProblems } from '../../../../scripts/checks/fault-rows.ts';
import type { FaultLine } from '../../../faults/fault-test.ts';

/** Split, so that this is no test of a fault itself. */
const declared = (id: string) => ['faultTest', `(test, '${id}', (t) => {});`].join('');
const ALL = ['drift', 'api-gone'];
const file = (path: string, text: string) => ({ path, text });
const line = (id: string, path: string) => ({ id, title: '', file: path }) as FaultLine;

test('every fault has a test and figures', (t) => {
  const files = [
    file('test/a.test.ts', declared('drift')),
    file('test/b.test.ts', declared('api-gone').replace('(', '(\n  ').replace(', ', ',\n  ')),
  ];
  const lines = [line('drift', 'test/a.test.ts'), line('api-gone', 'test/b.test.ts')];
  t.deepEqual(faultRowProblems(ALL, files, { lines }), []);
});

test('a fault without a test is named; what is no test is none', (t) => {
  const files = [
    file('test/a.test.ts', declared('drift')),
    file('test/helper.ts', declared('api-gone')),
  ];
  t.deepEqual(faultRowProblems(ALL, files, { lines: [line('drift', 'test/a.test.ts')] }), [
    'test/faults/registry.ts: no test names api-gone',
  ]);
});

test('a fault without figures is named', (t) => {
  const files = [file('test/a.test.ts', ALL.map(declared).join('\n'))];
  t.deepEqual(faultRowProblems(ALL, files, { lines: [line('drift', 'test/a.test.ts')] }), [
    'test/faults/results.json: no figures of api-gone: node test/faults/record.ts',
  ]);
});

test('figures of what is not there any more are named', (t) => {
  const files = [file('test/a.test.ts', declared('drift'))];
  const lines = [
    line('drift', 'test/a.test.ts'),
    line('drift', 'test/old.test.ts'),
    line('gone', 'x'),
  ];
  t.deepEqual(faultRowProblems(['drift'], files, { lines }), [
    'test/faults/results.json: test/old.test.ts has no test of drift: node test/faults/record.ts',
    'test/faults/results.json: x has no test of gone: node test/faults/record.ts',
  ]);
});
