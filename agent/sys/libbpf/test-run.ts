// SPDX-License-Identifier: Apache-2.0
// Runs a loaded TC program over a packet that no device has seen (BPF_PROG_TEST_RUN). Only tests call it:
// nothing is sent, but tables are written as by any other packet.

import { addressOf, libbpf } from './ffi.ts';
import { check } from './map.ts';

/** Offsets in struct bpf_test_run_opts (libbpf 1.0). */
const OPTIONS = {
  size: 80,
  dataIn: 8,
  dataOut: 16,
  dataSizeIn: 24,
  dataSizeOut: 28,
  contextIn: 32,
  contextOut: 40,
  contextSizeIn: 48,
  contextSizeOut: 52,
  result: 56,
  repeat: 60,
} as const;

/** Offsets in struct __sk_buff (linux/bpf.h). */
const CONTEXT = {
  size: 192,
  mark: 8,
  priority: 32,
  ingressIfindex: 36,
  ifindex: 40,
  control: 48,
  gsoSegments: 164,
  gsoSize: 176,
} as const;

/** A packet may become longer. */
const ROOM_SIZE = 256;

/** What the kernel takes of the context (net/bpf/test_run.c); 0 where nothing is said. */
export interface TestContext {
  readonly mark?: number;
  readonly priority?: number;
  /** Where it came in; of the network namespace that this thread is in. */
  readonly ingressIfindex?: number;
  /** The device that it is on. 1 */
  readonly ifindex?: number;
  /** Bytes of payload in a segment, for a packet that stands for several. */
  readonly gsoSize?: number;
  readonly gsoSegments?: number;
  /** What one program leaves to the next on the same hook: cb, 20 bytes. */
  readonly control?: Uint8Array;
}

export interface TestRunResult {
  /** What the program returned, of the last run: TC_ACT_* (linux/pkt_cls.h). */
  readonly verdict: number;
  readonly packet: Buffer;
  readonly mark: number;
  /** See {@link TestContext}. */
  readonly control: Uint8Array;
}

/**
 * @param packet begins with an Ethernet header, by which the kernel tells what it is and whether it is for this
 *   host, whatever the device.
 * @param repeat how often: each run gets the packet as the one before left it.
 * @throws KernelError.
 */
export function testRun(
  programFd: number,
  packet: Uint8Array,
  context: TestContext = {},
  repeat = 1,
): TestRunResult {
  const contextIn = Buffer.alloc(CONTEXT.size);
  contextIn.writeUInt32LE(context.mark ?? 0, CONTEXT.mark);
  contextIn.writeUInt32LE(context.priority ?? 0, CONTEXT.priority);
  contextIn.writeUInt32LE(context.ingressIfindex ?? 0, CONTEXT.ingressIfindex);
  contextIn.writeUInt32LE(context.ifindex ?? 1, CONTEXT.ifindex);
  contextIn.writeUInt32LE(context.gsoSegments ?? 0, CONTEXT.gsoSegments);
  contextIn.writeUInt32LE(context.gsoSize ?? 0, CONTEXT.gsoSize);
  contextIn.set(context.control ?? [], CONTEXT.control);
  const contextOut = Buffer.alloc(CONTEXT.size);
  const dataOut = Buffer.alloc(packet.length + ROOM_SIZE);
  const options = Buffer.alloc(OPTIONS.size);
  options.writeBigUInt64LE(BigInt(OPTIONS.size), 0);
  options.writeBigUInt64LE(addressOf(packet), OPTIONS.dataIn);
  options.writeBigUInt64LE(addressOf(dataOut), OPTIONS.dataOut);
  options.writeUInt32LE(packet.length, OPTIONS.dataSizeIn);
  options.writeUInt32LE(dataOut.length, OPTIONS.dataSizeOut);
  options.writeBigUInt64LE(addressOf(contextIn), OPTIONS.contextIn);
  options.writeBigUInt64LE(addressOf(contextOut), OPTIONS.contextOut);
  options.writeUInt32LE(CONTEXT.size, OPTIONS.contextSizeIn);
  options.writeUInt32LE(CONTEXT.size, OPTIONS.contextSizeOut);
  options.writeInt32LE(repeat, OPTIONS.repeat);
  const result = libbpf().programTestRun(programFd, options);
  // Used behind the call: what only an address names is garbage.
  contextIn.fill(0);
  check(result, `run a program over ${packet.length} bytes`);
  return {
    verdict: options.readInt32LE(OPTIONS.result),
    packet: dataOut.subarray(0, options.readUInt32LE(OPTIONS.dataSizeOut)),
    mark: contextOut.readUInt32LE(CONTEXT.mark),
    control: contextOut.subarray(CONTEXT.control, CONTEXT.control + 20),
  };
}
