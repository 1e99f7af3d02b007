// SPDX-License-Identifier: Apache-2.0
// How AVA runs the tests. A parent that gave it a channel (scripts/testing/run-group.ts) is told of
// each test as it ends, because AVA's own report is made to be read, not counted.

/** What the parent is told; a test's value may be anything and need not survive the channel. */
const TOLD = ['type', 'testFile', 'title', 'logs', 'skip', 'todo'];

/** An experiment of AVA: its version is exact in package.json, and a test counts a run of every kind. */
const tellParent = process.send && {
  nonSemVerExperiments: { observeRunsFromConfig: true },
  async observeRun({ events }) {
    for await (const event of events) {
      process.send(Object.fromEntries(TOLD.map((key) => [key, event[key]])));
    }
  },
};

export default {
  files: ['test/**/*.test.ts'],
  extensions: { ts: 'module' },
  // A crash in native code, and a change of namespace or environment, stay in the file's own process.
  workerThreads: false,
  concurrency: 2,
  // Without any test ending. A hang is found by this; nothing else may depend on it.
  timeout: '2m',
  ...tellParent,
};
