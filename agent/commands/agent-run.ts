// SPDX-License-Identifier: Apache-2.0
// One run of the agent, as every part of it is told of: agent-process.ts begins and ends it. A process may have several,
// one after another (agent-reload.ts), so nothing of a run may outlive its signal.

import type { AgentConfig } from '../config/agent-config.ts';
import type { EnvironmentError } from '../errors.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Problems } from './problems.ts';

export interface AgentRun {
  readonly config: AgentConfig;
  readonly log: Logger;
  /** The run is to end: from then on nothing is begun. */
  readonly signal: AbortSignal;
  /** Ends the run; runAgent() then throws the error. */
  readonly onFatal: (error: EnvironmentError) => void;
  /** Where a part says what is wrong with what it does, for `status`. */
  readonly problems: Problems;
  /** The same for what does not make it unhealthy, but should be known: the node's settings, software beside it. */
  readonly warnings: Problems;
}
