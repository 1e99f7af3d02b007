// SPDX-License-Identifier: Apache-2.0
// What each plot shows and which way is better, in a line: its title, and its alternative text.

import type { PlotName } from './plot-names.ts';

export const PLOT_TITLES: Readonly<Record<PlotName, string>> = {
  'connect-ratio': 'connect() through a ClusterIP against no proxy: lower is better',
  'connect-latency': 'connect() through a ClusterIP, microseconds: lower is better',
  'connect-distribution': 'How long connect() takes: further left is better',
  'datagram-distribution':
    'How long the first UDP datagram and its answer take: further left is better',
  'stream-cpu': 'CPU seconds for each GB of a TCP stream: shorter is better',
  changes: 'How soon changed endpoints are live: further left is better',
  starts: 'Seconds of a start, and CPU seconds of it: shorter is better',
  memory: 'Memory of the process and in the kernel: shorter is better',
};
