// SPDX-License-Identifier: Apache-2.0
// Has the running kernel's verifier take every program of bpf/build, for in-guest.ts. Nothing is attached.

import { globSync } from 'node:fs';
import path from 'node:path';
import { messageOf } from '../../agent/errors.ts';
import { ROOT } from '../../scripts/command.ts';
import { measureCosts } from '../../scripts/costs/measure.ts';
import { MOST_STACK } from '../../scripts/costs/program-costs.ts';
import type { Outcome } from '../../scripts/testing/tally.ts';
import { hasKernel, lacksKernel } from '../helpers/requirements.ts';
import { MOST_VERIFIED } from './plan.ts';
import type { ProgramResult } from './result.ts';

/** Its program calls what kernels before 6.5 have not; the agent goes by SOCK_DIAG there. */
const DESTROYER = 'stale-destroy.o';

interface Loaded {
  readonly outcomes: readonly Outcome[];
  readonly programs: readonly ProgramResult[];
}

/** Never throws. An object that the kernel does not take is a failure, with the verifier's last words. */
export function loadPrograms(): Loaded {
  const objects = globSync('bpf/*.bpf.c', { cwd: ROOT })
    .map((source) => `${path.basename(source, '.bpf.c')}.o`)
    .sort();
  const loaded = objects.map((object): Loaded => {
    if (object !== DESTROYER || hasKernel('bpf_sock_destroy')) return load(object);
    const reason = lacksKernel('bpf_sock_destroy');
    return { outcomes: [{ verdict: 'skipped', subject: object, reason }], programs: [] };
  });
  return {
    outcomes: loaded.flatMap(({ outcomes }) => outcomes),
    programs: loaded.flatMap(({ programs }) => programs),
  };
}

function load(object: string): Loaded {
  try {
    const { costs, loaded } = measureCosts([path.join(ROOT, 'bpf/build', object)]);
    const programs = loaded.flatMap(({ name, verificationUs }) => {
      const cost = costs.objects[object]?.[name.slice(object.length + 1)];
      return cost === undefined ? [] : { name, ...cost, verificationUs };
    });
    return { outcomes: programs.map(judge), programs };
  } catch (error) {
    const reason = messageOf(error);
    return { outcomes: [{ verdict: 'failed', subject: object, reason }], programs: [] };
  }
}

function judge({ name: subject, verified, stack }: ProgramResult): Outcome {
  const reasons = [
    ...(verified < MOST_VERIFIED
      ? []
      : [`${verified} instructions verified: ${MOST_VERIFIED} or more`]),
    ...(Math.max(...stack) <= MOST_STACK
      ? []
      : [`a function with ${Math.max(...stack)} bytes of stack`]),
  ];
  return reasons.length === 0
    ? { verdict: 'passed', subject }
    : { verdict: 'failed', subject, reason: reasons.join(', ') };
}
