// SPDX-License-Identifier: Apache-2.0
// Looks after what the agent has in bpffs and on the hooks of the cgroup, from when its programs are at work: what
// somebody takes off comes back. Devices have their own (packet-path-devices.ts).

import { EnvironmentError, messageOf } from '../errors.ts';
import { attachments, PINNED_MAPS } from '../sys/datapath.ts';
import type { AgentKernel } from './agent-kernel.ts';
import type { AgentRun } from './agent-run.ts';

/** How long a hook may stay empty when somebody has removed its pin. A look costs well under a millisecond. */
const LOOK_EVERY_MS = 10_000;

/**
 * Until the run's signal aborts. Ends the run when tables are gone: what this process holds nobody else finds.
 *
 * @param onPutBack programs had to be put on so many hooks again.
 */
export function guard(
  { config, log, signal, onFatal }: AgentRun,
  kernel: AgentKernel,
  onPutBack: (hooks: number) => void,
): void {
  const look = setInterval(() => {
    try {
      const hooks = putBack();
      if (hooks > 0) onPutBack(hooks);
    } catch (error) {
      if (error instanceof EnvironmentError) onFatal(error);
      // A look that fails says nothing of what is there.
      else log.warn({ error: messageOf(error) }, 'cannot look whether the pins are there');
    }
  }, LOOK_EVERY_MS);
  signal.addEventListener('abort', () => clearInterval(look), { once: true });

  /**
   * Puts the programs on hooks again of which somebody has removed the pins.
   *
   * @returns on how many.
   * @throws EnvironmentError when tables are gone too: whoever keeps the agent running starts it anew, and then all
   * is there again.
   */
  function putBack(): number {
    const [missing] = kernel.pins.missingMaps(PINNED_MAPS);
    if (missing !== undefined) {
      throw new EnvironmentError(`somebody has removed ${missing}, and with it what is served`, {
        hint: 'start the agent again: it makes all of it anew',
      });
    }
    try {
      const empty = attachments(kernel.pins).flatMap(({ hook, programId }) =>
        programId === 0 ? hook : [],
      );
      if (empty.length === 0) return 0;
      kernel.attach();
      log.warn({ hooks: empty }, 'somebody had taken programs off their hooks; put back');
      return empty.length;
    } catch (error) {
      log.error(
        { cgroup: config.cgroup, error: messageOf(error) },
        'cannot put the programs on their hooks again',
      );
      return 0;
    }
  }
}
