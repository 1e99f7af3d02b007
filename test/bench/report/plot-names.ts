// SPDX-License-Identifier: Apache-2.0
// The plots of a report, by the names that pages and files know them by.

export const PLOT_NAMES = [
  'connect-ratio',
  'connect-latency',
  'connect-distribution',
  'datagram-distribution',
  'stream-cpu',
  'changes',
  'starts',
  'memory',
] as const;
export type PlotName = (typeof PLOT_NAMES)[number];
