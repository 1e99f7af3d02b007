// SPDX-License-Identifier: Apache-2.0
// Which state of this project was measured.

import { execFileSync } from 'node:child_process';
import { ROOT } from '../../scripts/command.ts';

/** Nothing outside of a git repository, such as in an archive of the sources. */
export function describeCommit(): { readonly commit?: string } {
  try {
    const git = (...args: string[]) =>
      execFileSync('git', ['-C', ROOT, ...args], { encoding: 'utf8', stdio: 'pipe' }).trim();
    const isChanged = git('status', '--porcelain', '--untracked-files=no') !== '';
    return { commit: `${git('rev-parse', '--short', 'HEAD')}${isChanged ? '+' : ''}` };
  } catch {
    return {};
  }
}
