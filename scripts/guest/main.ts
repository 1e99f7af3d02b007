#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// scripts/vm: one command in a virtual machine. Standard output and error are the command's; what this has to say of its
// own goes to standard error, too, and begins with `vm:`.

import { statSync } from 'node:fs';
import { constants } from 'node:os';
import { formatTable } from '../../agent/commands/table.ts';
import { messageOf, UsageError } from '../../agent/errors.ts';
import { acceleratorOf, GuestError, runInGuest } from './boot.ts';
import { fetchKernel } from './fetch-kernel.ts';
import { findSource, KERNELS, type Kernel } from './kernels.ts';
import { whyNoGuest } from './needs.ts';
import { type Options, readOptions, USAGE } from './options.ts';
import { kernelInDirectory, readEntry } from './places.ts';

const WRONG_USE = 2;
const TIMED_OUT = 124;
const NO_GUEST = 125;
const SIGNALLED = 128;

/** Aborted for a reason that is the exit code. */
const stopping = new AbortController();

try {
  process.exitCode = await main(readOptions(process.argv.slice(2)));
} catch (error) {
  process.exitCode = exitCodeOf(error);
  // Who has stopped it knows.
  if (!stopping.signal.aborted) tell(messageOf(error));
  if (error instanceof UsageError) console.error(`\n${USAGE}`);
}

async function main(options: Options): Promise<number> {
  if (options.help || options.list) {
    console.log(options.help ? USAGE : kernelTable());
    return 0;
  }
  const { kernel: name, out: outDirectory, accelerator, ...rest } = options;
  const accel = usage(() => acceleratorOf(accelerator ?? process.env.SIGNALBOX_ACCEL));
  if (outDirectory !== undefined && !isFolder(outDirectory))
    throw new UsageError(`--out ${outDirectory}: there is no such folder`);
  const isPath = name.includes('/');
  if (!isPath && findSource(name) === undefined)
    throw new UsageError(`there is no kernel ${name}: see --list`);
  const obstacle = whyNoGuest();
  if (obstacle !== undefined) throw new Error(obstacle);
  const kernel = isPath
    ? usage(() => kernelInDirectory(name))
    : await fetchKernel(name, { onProgress: tell });
  if (process.stderr.isTTY) tell(`booting ${titleOf(kernel)}`);
  stopOnSignals();
  const { exitCode } = await runInGuest({
    ...rest,
    kernel,
    accelerator: accel,
    signal: stopping.signal,
    onOutput: (bytes, stream) => process[stream].write(bytes),
    ...(outDirectory !== undefined && { outDirectory }),
  });
  return exitCode;
}

/** From here on there is something to end in good order. */
function stopOnSignals(): void {
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.once(name, () => stopping.abort(SIGNALLED + constants.signals[name]));
  // Nobody reads on: as of a pipe into head.
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', () => stopping.abort(SIGNALLED + constants.signals.SIGPIPE));
}

function kernelTable(): string {
  const rows = KERNELS.map(({ name, title }) => {
    const entry = readEntry(name);
    return [name, title, entry?.package ?? '(not downloaded)', entry?.version ?? ''];
  });
  return formatTable(['NAME', 'OF', 'PACKAGE', 'VERSION'], rows);
}

function titleOf({ release, package: name, version }: Kernel): string {
  return name === '' ? release : `${release} (${name} ${version})`;
}

function exitCodeOf(error: unknown): number {
  if (stopping.signal.aborted) return stopping.signal.reason;
  if (error instanceof UsageError) return WRONG_USE;
  return error instanceof GuestError && error.reason === 'timed out' ? TIMED_OUT : NO_GUEST;
}

/** Makes what is wrong with an argument a matter of usage. */
function usage<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function tell(line: string): void {
  console.error(`vm: ${line}`);
}
