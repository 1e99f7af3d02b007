// SPDX-License-Identifier: Apache-2.0
// What the kernel of a guest says of Node's crashes. QEMU 7.2 emulates something wrong that Node's WebAssembly meets about
// once in a hundred starts. in-guest.ts runs a file a second time for this reason alone: a test that fails otherwise has failed.

/** Of the threads of Node that run JavaScript and WebAssembly, or compile it. */
const NODE = /^(?:node|MainThread|node-MainThread|V8Worker|DelayedTaskSche|libuv-worker)$/;
/** show_signal_msg() and traps of arch/x86, after the time that dmesg puts before it. */
const CRASH =
  /^(?:\[[^\]]*\] )?(?:traps: )?(?<command>\S+)\[\d+\]:? (?:segfault at|trap |general protection)/;

/** @param log as dmesg prints it. @returns its lines that tell of a crash of Node. */
export function nodeCrashes(log: string): string[] {
  return log.split('\n').filter((line) => NODE.test(line.match(CRASH)?.groups?.command ?? ''));
}
