// SPDX-License-Identifier: Apache-2.0
// node:http and node:https, for whoever serves or asks. Not by `import`: that reads every export of a module, and
// reading WebSocket loads undici, which nobody here uses: 14 MB of memory and 35 ms of each start (Node 24).

import type Http from 'node:http';
import type Https from 'node:https';

export const http: typeof Http = process.getBuiltinModule('node:http');
export const https: typeof Https = process.getBuiltinModule('node:https');
