// SPDX-License-Identifier: Apache-2.0
// A logger for what is run thousands of times. Used by the tests beside it.

import { pino } from 'pino';

export const SILENT_LOG = pino({ level: 'silent' });
