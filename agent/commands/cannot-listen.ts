// SPDX-License-Identifier: Apache-2.0
// What the agent does when it cannot have the address of one of its two servers: an Event on the node, and its end where
// it is told to end then. The servers try again by themselves.

import type { NodeReason } from '../cluster/event.ts';
import type { EventRecorder } from '../cluster/event-recorder.ts';
import type { AgentConfig, ServerAddress } from '../config/agent-config.ts';
import { EnvironmentError } from '../errors.ts';

export interface ServerThatCannotListen {
  /** `metrics` */
  readonly what: string;
  readonly bind: ServerAddress;
  /** The option that chooses its address. */
  readonly option: string;
  readonly reason: NodeReason;
}

export interface CannotListenOptions {
  readonly config: Pick<AgentConfig, 'bindAddressHardFail'>;
  /** undefined where there is nobody to tell. */
  readonly recorder: Pick<EventRecorder, 'tellOfNode'> | undefined;
  /** Another service proxy is at work here, too, and so has the address: nobody is told that it has. */
  readonly isBeside: boolean;
  readonly onFatal: (error: EnvironmentError) => void;
}

export function cannotListen(
  { what, bind, option, reason }: ServerThatCannotListen,
  cause: Error,
  { config, recorder, isBeside, onFatal }: CannotListenOptions,
): void {
  const problem = `cannot serve ${what} on ${bind.host}, port ${bind.port}: ${cause.message}`;
  if (!isBeside) recorder?.tellOfNode(reason, problem);
  if (!config.bindAddressHardFail) return;
  onFatal(
    new EnvironmentError(problem, {
      cause,
      hint: `stop what listens there, choose another ${option}, or leave out --bind-address-hard-fail`,
    }),
  );
}
