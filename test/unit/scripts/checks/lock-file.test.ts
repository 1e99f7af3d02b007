// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import { lockFileProblems } from '../../../../scripts/checks/lock-file.ts';

test('a package for another platform that has no entry is named', (t) => {
  const packages = {
    '': { optionalDependencies: { node: '24' } },
    'node_modules/node': {},
    'node_modules/a': { optionalDependencies: { 'a-linux': '1', 'a-darwin': '1' } },
    'node_modules/a/node_modules/a-linux': {},
  };
  t.deepEqual(lockFileProblems({ packages }), [
    'package-lock.json: node_modules/a may bring a-darwin@1, which has no entry',
  ]);
});
