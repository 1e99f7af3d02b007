// SPDX-License-Identifier: Apache-2.0
// Has the agent prove that its programs run where it is: reconcile/self-test.ts, and what the log says of it.

import { messageOf } from '../errors.ts';
import type { Reconciler } from '../reconcile/reconciler.ts';
import { selfTest } from '../reconcile/self-test.ts';
import { isInsideCgroup } from '../sys/cgroup.ts';
import type { Logger } from '../telemetry/log.ts';

/** Never throws. @returns what did not work; undefined when it could not be tried. */
export async function proveProgramsRun(
  cgroup: string,
  reconciler: Reconciler,
  log: Logger,
): Promise<readonly string[] | undefined> {
  if (!isInsideCgroup(cgroup)) {
    log.warn({ cgroup }, 'no self-test: this process is not in the cgroup');
    return undefined;
  }
  let problems: string[] | undefined;
  try {
    problems = await selfTest((frontends, body) => reconciler.withTemporary(frontends, body));
  } catch (error) {
    // A table may be full: that says nothing of the programs.
    log.warn({ cgroup, error: messageOf(error) }, 'no self-test: it could not be prepared');
    return undefined;
  }
  if (!problems) log.warn('no self-test: there is no loopback address');
  else if (problems.length)
    log.error({ cgroup, problems }, 'self-test failed: the programs do not run');
  return problems;
}
