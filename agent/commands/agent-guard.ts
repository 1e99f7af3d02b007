// SPDX-License-Identifier: Apache-2.0
// Looks after what the agent has in bpffs and on the hooks of the cgroup, from when its programs are at work: pins that
// somebody removes are made again, programs that somebody takes off or replaces are put back. Nothing of it ends the
// agent: what it holds open goes on without pins. What is on devices packet-path-devices.ts puts back.

import { EnvironmentError, messageOf } from '../errors.ts';
import { isHostsToo, onHost } from '../sys/bpf-filesystem.ts';
import type { HeldPins } from '../sys/held-pins.ts';
import { Pins } from '../sys/pins.ts';
import type { PinsLock } from '../sys/pins-lock.ts';
import type { Repaired } from '../telemetry/metrics.ts';
import type { AgentKernel } from './agent-kernel.ts';
import { findKeeper, makeDirectory } from './agent-lock.ts';
import type { AgentRun } from './agent-run.ts';

/** A look takes a tenth of a millisecond: 36 pins and 8 links are asked for. */
const LOOK_EVERY_MS = 1000;
/** Links of devices that are asked for a second: there are two for each device, and some nodes have hundreds of pods. */
const DEVICE_LINKS_PER_LOOK = 100;

/** Under which `status` shows what is wrong. */
const SOURCE = 'pins';

export interface Guarded {
  readonly kernel: AgentKernel;
  readonly lock: PinsLock;
  readonly devices: {
    /** What the packet path has pinned; undefined when it has nothing. */
    readonly held: HeldPins | undefined;
    /** Puts back what is not where it was put, if there is any. */
    lookAnew(): void;
    /** Something may be possible now that was not. */
    ring(): void;
  };
  /** So much was made again, or put back. */
  readonly onRepaired: (what: Repaired, count: number) => void;
}

/** Until the run's signal aborts. */
export function guard(run: AgentRun, guarded: Guarded): void {
  const { log, problems, signal, warnings } = run;
  let looks = 0;
  let told = '';
  // Who was given a file system of its own keeps it to itself.
  const wasHosts = isHostsToo(run.config.bpffs, run.config.proc) === true;

  function look(): void {
    const wrong = [
      pinsAgain(run, guarded),
      wasHosts ? pinsOnHost(run, guarded) : undefined,
      hooksAgain(run, guarded),
    ].filter((it) => it !== undefined);
    problems.set(SOURCE, wrong);
    const text = wrong.join('; ');
    if (text !== told && text !== '') log.error({ problems: wrong }, 'cannot put all of it back');
    told = text;
    const links = guarded.devices.held?.pins.length ?? 0;
    if (++looks % Math.ceil(links / DEVICE_LINKS_PER_LOOK || 1) === 0) guarded.devices.lookAnew();
  }

  warnings.set(SOURCE, wasHosts ? [] : hostsOther(run));
  const timer = setInterval(look, LOOK_EVERY_MS);
  // What is not pinned ends with the process.
  signal.addEventListener('abort', () => {
    clearInterval(timer);
    pinsAgain(run, guarded);
    if (wasHosts) pinsOnHost(run, guarded);
  });
}

/** @returns what the host has done that this container does not see, in words. */
function hostsOther({ config: { bpffs, proc } }: AgentRun): string[] {
  if (isHostsToo(bpffs, proc) !== false) return [];
  return [
    `the host has another BPF file system at ${bpffs} than this agent: the next agent will not find what this one has ` +
      'pinned, and connections from outside are reset then',
  ];
}

/** @returns what is wrong and stays so, in words. */
function pinsAgain(run: AgentRun, { kernel, lock, devices, onRepaired }: Guarded) {
  const { config, log } = run;
  const isTaken = () => {
    void tellWhoHasIt(run);
    return undefined;
  };
  try {
    // Whoever took the directory away has its lock, or it is nobody's.
    if (!lock.isInPlace && !lock.renew(() => makeDirectory(kernel.pins, log))) return isTaken();
  } catch (error) {
    return cannotPin(config.bpffs, error);
  }
  const repairs = [kernel.held, devices.held].flatMap(
    (held) => held?.repair(() => kernel.pins.create()) ?? [],
  );
  const pins = repairs.flatMap((repair) => repair.pins);
  if (pins.length > 0) {
    devices.ring();
    log.warn({ pins }, 'somebody had removed pins; made again');
    onRepaired('pins', pins.length);
  }
  const failed = repairs.find(({ error }) => error !== undefined);
  return failed && cannotPin(config.bpffs, failed.error);
}

/**
 * A file system that the host mounts in place of the one this container was given does not come into the container.
 * Where the next agent will look everything is pinned a second time.
 *
 * @returns what is wrong and stays so, in words.
 */
function pinsOnHost(run: AgentRun, { kernel, devices, onRepaired }: Guarded) {
  const { config, log } = run;
  if (isHostsToo(config.bpffs, config.proc) !== false) return undefined;
  const directory = onHost(config.bpffs, config.proc);
  const repairs = [kernel.held, devices.held].flatMap(
    (held) =>
      held?.repair(
        () => makeDirectory(new Pins(directory), log),
        (pin) => onHost(pin, config.proc),
      ) ?? [],
  );
  const pins = repairs.flatMap((repair) => repair.pins);
  if (pins.length > 0) {
    log.warn({ pins }, 'the host has mounted another BPF file system; pinned there, too');
    onRepaired('pins', pins.length);
  }
  const failed = repairs.find(({ error }) => error !== undefined);
  return failed && cannotPin(directory, failed.error);
}

function cannotPin(bpffs: string, error: unknown): string {
  return (
    `the pins in ${bpffs} are gone and cannot be made again: ${messageOf(error)}. ` +
    'What is served is served for as long as this agent runs, and no longer'
  );
}

/** Two agents with pins of one name: this one gives way, as a third one would not know of it. */
async function tellWhoHasIt({ config, onFatal, signal }: AgentRun): Promise<void> {
  const other = await findKeeper(config).catch(() => undefined);
  if (signal.aborted) return;
  onFatal(
    new EnvironmentError(
      `the pins in ${config.bpffs} were removed, and another agent (${other ?? 'unknown'}) has made its own there`,
      { hint: 'run one of them, or give each a directory of its own with --bpffs DIR' },
    ),
  );
}

/** @returns what is wrong and stays so, in words. */
function hooksAgain({ config, log }: AgentRun, { kernel, onRepaired }: Guarded) {
  try {
    const hooks = kernel.displacedHooks();
    if (hooks.length === 0) return undefined;
    kernel.attach();
    log.warn({ hooks }, 'somebody had taken programs off their hooks, or replaced them; put back');
    onRepaired('hooks', hooks.length);
    return undefined;
  } catch (error) {
    return `cannot put the programs on the hooks of ${config.cgroup} again: ${messageOf(error)}`;
  }
}
