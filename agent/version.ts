// SPDX-License-Identifier: Apache-2.0
// The version of this program: package.json is where it is written.

import { readFileSync } from 'node:fs';
import path from 'node:path';

const manifest = readFileSync(path.join(import.meta.dirname, '../package.json'), 'utf8');

export const VERSION = (JSON.parse(manifest) as { version: string }).version;
