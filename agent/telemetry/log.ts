// SPDX-License-Identifier: Apache-2.0
// The one logger. Messages are constant strings; whatever varies goes into a field.

import { type Logger, pino } from 'pino';
import { printableJson } from '../printable.ts';

export type { Logger } from 'pino';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** JSON lines on standard output, written synchronously so that the last line before a crash is not lost. */
export function createLogger(level: LogLevel): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // Whoever reads logs does so on a terminal.
      hooks: { streamWrite: printableJson },
    },
    pino.destination({ dest: 1, sync: true }),
  );
}
