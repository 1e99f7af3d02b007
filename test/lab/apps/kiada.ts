// SPDX-License-Identifier: Apache-2.0
// Image `kiada`: the Kiada suite's front page. Asks the quote and quiz Services by their DNS names.

import http from 'node:http';
import { json } from 'node:stream/consumers';
import { serveApp } from './web-app.ts';

const QUOTE_URL = process.env.QUOTE_URL ?? 'http://quote/';
const QUIZ_URL = process.env.QUIZ_URL ?? 'http://quiz/questions/random';

serveApp({
  '/': async () => {
    const [quote, quiz] = await Promise.all([fetchJson(QUOTE_URL), fetchJson(QUIZ_URL)]);
    return { quote, quiz };
  },
});

function fetchJson(url: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    http
      .get(url, { agent: false, timeout: 5_000 }, (response) => resolve(json(response)))
      .once('timeout', function onTimeout(this: http.ClientRequest) {
        this.destroy(new Error(`${url}: no answer within 5 s`));
      })
      .once('error', (error) => reject(new Error(`${url}: ${error.message}`)));
  });
}
