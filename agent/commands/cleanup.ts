// SPDX-License-Identifier: Apache-2.0
// `signalbox cleanup`: takes every trace of Signalbox off the node, at once or, with --drain, when the last connection
// that it translates has ended. `--kube-proxy` takes kube-proxy's rules off instead, and nothing of ours.

import { existsSync } from 'node:fs';
import { Command, Option } from 'commander';
import { EnvironmentError, UsageError } from '../errors.ts';
import { stopKeepingNat } from '../reconcile/nat-keeper.ts';
import { readNode } from '../sys/datapath.ts';
import { netnsCookie } from '../sys/libbpf/netns.ts';
import { removePacketPrograms } from '../sys/packet-programs.ts';
import { Pins } from '../sys/pins.ts';
import { PinsLock } from '../sys/pins-lock.ts';
import { removeStatusSocket } from '../telemetry/status-socket.ts';
import { findKeeper, type TablesPlace } from './agent-lock.ts';
import { drain } from './cleanup-drain.ts';
import { cleanupKubeProxy } from './cleanup-kube-proxy.ts';
import { parseDuration } from './duration.ts';
import { bpffsOption, procOption, requireRoot } from './options.ts';
import { releaseMasqueradePorts } from './release-ports.ts';
import { say } from './terminal.ts';

interface Options {
  readonly bpffs: string;
  readonly kubeProxy?: boolean;
  readonly drain?: boolean;
  readonly drainTimeout: number;
  readonly force?: boolean;
  readonly proc: string;
}

export function command(): Command {
  return new Command('cleanup')
    .description(
      'take every trace of Signalbox off the node: programs, tables, pins, reserved ports',
    )
    .addOption(bpffsOption())
    .addOption(
      new Option(
        '--drain',
        'first leave what is new to kube-proxy, until no connection is left',
      ).conflicts('kubeProxy'),
    )
    .addOption(
      new Option('--drain-timeout <duration>', 'how long that may take, as 90s, 10m or 1h')
        .argParser(drainTimeout)
        .default(600, '10m'),
    )
    .option(
      '--kube-proxy',
      'take kube-proxy’s rules off, and nothing of Signalbox: once the agent serves in its place',
    )
    .option('--force', 'although nobody else would serve then')
    .addOption(procOption())
    .action(run);
}

async function run(options: Options): Promise<void> {
  requireRoot();
  const { bpffs, force = false, proc } = options;
  const pins = new Pins(bpffs);
  if (options.kubeProxy) {
    requireItsNamespace(pins);
    await cleanupKubeProxy({ bpffs, force, proc });
    return;
  }
  await requireNoAgent(options);
  requireItsNamespace(pins);
  if (options.drain) {
    await drain({
      pins,
      timeoutSeconds: options.drainTimeout,
      force,
      findAgent: () => findKeeper(options),
    });
    await requireNoAgent(options);
  }
  await removeEverything(pins, options);
}

/** No agent starts meanwhile. */
async function removeEverything(pins: Pins, place: TablesPlace): Promise<void> {
  const { bpffs, proc } = place;
  const isThere = existsSync(pins.directory);
  const lock = isThere ? PinsLock.take(pins.directory, () => pins.create()) : undefined;
  if (isThere && !lock) throw wouldPutBack((await findKeeper(place)) ?? 'one that is starting');
  const removed = [
    ...removePacketPrograms(pins),
    ...releaseMasqueradePorts(pins, proc),
    ...pins.removeAll(),
    ...(await stopKeepingNat()).map((table) => `table ${table}`),
  ];
  removeStatusSocket(bpffs);
  lock?.close();
  say(removed.length ? removed.map((what) => `removed ${what}`).join('\n') : `nothing in ${bpffs}`);
}

async function requireNoAgent(place: TablesPlace): Promise<void> {
  const agent = await findKeeper(place);
  if (agent !== undefined) throw wouldPutBack(agent);
}

function wouldPutBack(agent: string): EnvironmentError {
  return new EnvironmentError(`the agent (${agent}) is running and would put all of it back`, {
    hint: 'stop it first',
  });
}

/** Filters on devices and reserved ports are a network namespace's own, and forgotten with the tables. */
function requireItsNamespace(pins: Pins): void {
  const cookie = readNode(pins)?.netnsCookie ?? 0n;
  if (cookie === 0n || cookie === netnsCookie()) return;
  throw new EnvironmentError(
    `the agent of ${pins.directory} was in another network namespace, where its programs are on devices and its ports reserved`,
    {
      hint: `run this in there (nsenter --net=FILE); if it is gone, rm -r ${pins.directory} does the rest`,
    },
  );
}

/** @throws UsageError */
function drainTimeout(text: string): number {
  const seconds = parseDuration(text);
  if (seconds === undefined)
    throw new UsageError(`--drain-timeout ${text}: not a duration, as 90s, 10m or 1h`);
  return seconds;
}
