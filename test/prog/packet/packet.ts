// SPDX-License-Identifier: Apache-2.0
// Whole packets as typed descriptions, for rows that say: this packet in, that packet out. `build` makes
// bytes of a description, `parse` a description of any bytes, leaving out what is as `build` makes it by
// itself. Two packets are compared as `parse(out)` with `parse(build(expected))`: a difference reads as words.

export { build } from './build.ts';
export { type Bytes, bytesOf, hex, textOf } from './bytes.ts';
export { checksumProblems } from './checksum-problems.ts';
export * from './description.ts';
export { fragmentsOf } from './fragments.ts';
export type { IcmpErrorKind } from './icmp-kinds.ts';
export { parse } from './parse.ts';
