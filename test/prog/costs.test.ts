// SPDX-License-Identifier: Apache-2.0
// The programs cost what bpf/costs.json says, so that a change that makes one dearer is seen in the change
// itself. On another kernel or compiler only the limits count.

import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { ROOT } from '../../scripts/command.ts';
import { measureCosts } from '../../scripts/costs/measure.ts';
import { costProblems, type ProgramCosts } from '../../scripts/costs/program-costs.ts';
import { requireKernel, requireProgram, requireRoot } from '../helpers/requirements.ts';

const BUILD = path.join(ROOT, 'bpf/build');

test('every program costs what is recorded of it', (t) => {
  if (!requireRoot(t) || !requireKernel(t, 'bpf_sock_destroy')) return;
  if (!requireProgram(t, 'cc') || !requireProgram(t, 'clang')) return;
  const objects = globSync('bpf/*.bpf.c', { cwd: ROOT }).map((source) =>
    path.join(BUILD, `${path.basename(source, '.bpf.c')}.o`),
  );
  const recorded = JSON.parse(readFileSync(path.join(ROOT, 'bpf/costs.json'), 'utf8'));

  const { costs } = measureCosts(objects);

  t.is(costProblems(recorded as ProgramCosts, costs).join('\n'), '');
});
