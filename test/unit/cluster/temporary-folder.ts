// SPDX-License-Identifier: Apache-2.0
// A folder that is gone when its test ends. Used by the tests beside it.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';

export function temporaryFolder(t: ExecutionContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'signalbox-test-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}
