// SPDX-License-Identifier: Apache-2.0
// Follows the addresses of the network namespace that it runs in: a line of JSON for each list and for each
// line of the log. When its standard input ends it stops following, and ends when nothing else is left.
// Started by node-addresses.test.ts.

import { watchNodeAddresses } from '../../agent/sys/node-addresses.ts';
import { createLogger } from '../../agent/telemetry/log.ts';

const abort = new AbortController();

watchNodeAddresses({
  onChange: (addresses) => console.log(JSON.stringify({ addresses })),
  log: createLogger('debug'),
  signal: abort.signal,
});

process.stdin.on('end', () => abort.abort()).resume();
