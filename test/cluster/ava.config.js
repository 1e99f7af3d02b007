// SPDX-License-Identifier: Apache-2.0
// How AVA runs the end-to-end tests (e2e/run.ts): one file after the other, because some take nodes away.

import path from 'node:path';

/** What disturbs the cluster comes last; a name that is not here comes first. */
const LATE = ['restart', 'upgrade', 'node-loss'];

function place(file) {
  return LATE.indexOf(path.basename(file, '.e2e.ts'));
}

export default {
  files: ['test/cluster/e2e/*.e2e.ts'],
  extensions: { ts: 'module' },
  workerThreads: false,
  concurrency: 1,
  sortTestFiles: (one, other) => place(one) - place(other) || one.localeCompare(other),
  // Without any test ending: a test waits for what the cluster does, with bounds of its own.
  timeout: '60m',
};
