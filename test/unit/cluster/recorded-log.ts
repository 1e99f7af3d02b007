// SPDX-License-Identifier: Apache-2.0
// A logger whose lines a test can read. Used by the tests beside it.

import { Writable } from 'node:stream';
import { type Logger, pino } from 'pino';

export interface RecordedLog {
  readonly log: Logger;
  readonly lines: { readonly msg: string; readonly [field: string]: unknown }[];
}

export function recordLog(): RecordedLog {
  const lines: RecordedLog['lines'] = [];
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)));
      done();
    },
  });
  return { log: pino({ level: 'debug' }, destination), lines };
}
