// SPDX-License-Identifier: Apache-2.0
// docs/kernels.md says of a run what there is to say: failures, skips and second attempts too.

import test from 'ava';
import { kernelDocument } from '../../../../scripts/docs/kernels.ts';
import type { FileResult, KernelResult, Result } from '../../../vm/result.ts';

const FILE: FileResult = {
  suite: 'sockets',
  file: 'test/netns/sockets.test.ts',
  passed: 76,
  failed: [{ title: 'a title', reason: '' }],
  skipped: [{ title: 'another', reason: 'needs Linux 6.5 for bpf_sock_destroy, has 6.1.0' }],
  secondTime: 'MainThread[1]: segfault at 0',
};
const PROGRAM = {
  name: 'sock.o connect4',
  instructions: 1630,
  verified: 52080,
  stack: [328],
  verificationUs: 533_209,
};
const OLD: KernelResult = {
  name: '6.1',
  title: 'Debian 12',
  release: '6.1.0-56-amd64',
  package: 'linux-image-6.1.0-56-amd64',
  version: '6.1.192-2',
  files: [FILE],
  programs: [PROGRAM],
  findings: [
    { id: 'no-tcx', severity: 'note', found: '6.1.0' },
    { id: 'no-socket-destroyer', severity: 'note', found: '6.1.0' },
  ],
};
const NEW: KernelResult = { ...OLD, name: '6.12', title: 'Debian 13', findings: [], files: [] };
const RESULT: Result = {
  ...{ date: '2026-11-21T22:00:00.000Z', minutes: 20, processorMinutes: 36, processors: 2 },
  ...{ qemu: 'QEMU 7.2', clang: 'clang 14', node: 'v24' },
  kernels: [OLD, NEW],
  later: [],
};

/** A line of a table, without the widths of its columns. */
const lines = (text: string) => text.split('\n').map((line) => line.replace(/ +/g, ' '));

test('kernels by exact package, and what each is used by', (t) => {
  const text = lines(kernelDocument(RESULT));
  t.true(
    text.includes(
      '| 6.1 | Debian 12 | `linux-image-6.1.0-56-amd64` | 6.1.192-2 | filters of clsact | SOCK_DIAG | `no-tcx`, `no-socket-destroyer` |',
    ),
  );
  t.true(text.some((line) => /^\| 6\.12 .*\| TCX \| `bpf_sock_destroy` \| nothing \|$/.test(line)));
});

test('what failed, was skipped, or run again is said', (t) => {
  const text = kernelDocument(RESULT);
  t.regex(text, /on 2026-11-21: 76 passed, 1 failed, 1 skipped\./);
  t.true(
    lines(text).includes(
      '| `test/netns/sockets.test.ts` | 1 FAILED of 77, 1 skipped (second attempt) | - |',
    ),
  );
  t.true(lines(text).includes('| needs Linux 6.5 for bpf_sock_destroy | 1 | 0 |'));
  t.true(lines(text).includes('- 6.1: test/netns/sockets.test.ts: MainThread[1]: segfault at 0'));
  t.true(lines(text).includes('| `sock.o connect4` | 1,630 | 52,080 / 533 ms | 52,080 / 533 ms |'));
});

test('what was run again since the whole run is told', (t) => {
  const later = [
    { date: '2026-11-23T01:00:00.000Z', kernels: ['6.1'], suites: ['sockets'] as const },
  ];
  t.notRegex(kernelDocument(RESULT), /Run again since/);
  t.regex(
    kernelDocument({ ...RESULT, later }),
    /Run again since: sockets with 6\.1 \(2026-11-23\)\./,
  );
});

test('a run in which nothing was out of the ordinary says so', (t) => {
  const { secondTime: _, ...file } = { ...FILE, failed: [], skipped: [] };
  const text = kernelDocument({ ...RESULT, kernels: [{ ...NEW, files: [file] }] });
  t.regex(text, /None was skipped\./);
  t.regex(text, /Nothing was run a second time\./);
});
