// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import { guardProblems } from '../../../../scripts/checks/headers.ts';

const hasProblem = (file: string, text: string) => guardProblems({ path: file, text }).length > 0;

test('a guard is named after its file and encloses everything', (t) => {
  const guarded = (guard: string) =>
    `/* SPDX */\n// What this is.\n#ifndef ${guard}\n#define ${guard}\nint a;\n#endif /* ${guard} */\n`;
  t.false(hasProblem('bpf/ip.bpf.h', guarded('IP_BPF_H')));
  t.true(hasProblem('bpf/ip.bpf.h', guarded('IP_H')));
  t.true(hasProblem('bpf/ip.bpf.h', `int before;\n${guarded('IP_BPF_H')}`));
  t.true(hasProblem('bpf/ip.bpf.h', `${guarded('IP_BPF_H')}int after;\n`));
  t.true(hasProblem('bpf/ip.bpf.h', '#pragma once\n'));
});
