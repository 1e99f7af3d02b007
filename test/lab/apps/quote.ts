// SPDX-License-Identifier: Apache-2.0
// Image `quote`: the Kiada suite's quote service. Answers each request with a quote.

import { pick, serveApp } from './web-app.ts';

const QUOTES = [
  'The signal is green; the points are set; the train needs nobody.',
  'A service is a promise that somebody answers.',
  'Whoever counts requests sees who worked.',
  'Nothing is as permanent as a temporary address.',
];

serveApp({ '/': () => ({ quote: pick(QUOTES) }) });
