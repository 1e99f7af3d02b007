// SPDX-License-Identifier: Apache-2.0
// Links in Markdown files that point into the tree must point at something.

import path from 'node:path';
import type { SourceFile } from './source-files.ts';

/** `[text](target)` and `[label]: target`; a title behind the target is left out. */
const LINK = /\]\(\s*<?([^\s)>]+)|^ {0,3}\[[^\]\n]+\]:[ \t]*<?(\S+?)>?(?:\s|$)/gm;
const CODE = /^(```|~~~)[\s\S]*?^\1|`[^`\n]*`/gm;
const ELSEWHERE = /^([a-z][a-z0-9+.-]*:|#)/i;

/** @returns one line for each link to a file or folder for which `exists` says no. */
export function linkProblems(
  files: readonly SourceFile[],
  exists: (file: string) => boolean,
): readonly string[] {
  return files
    .filter((file) => file.path.endsWith('.md'))
    .flatMap((file) => {
      const prose = file.text.replace(CODE, (code) => code.replace(/[^\n]/g, ' '));
      return [...prose.matchAll(LINK)].flatMap((match) => {
        const target = match[1] ?? match[2] ?? '';
        if (ELSEWHERE.test(target) || exists(resolve(file.path, target))) return [];
        const line = prose.slice(0, match.index).split('\n').length;
        return [`${file.path}:${line}: there is no ${target}`];
      });
    });
}

/** A target that starts with a slash counts from the project's root folder, as it does where the files are shown. */
function resolve(from: string, target: string): string {
  const file = decodeURI(target.replace(/[#?].*$/s, ''));
  return path.normalize(file.startsWith('/') ? `.${file}` : path.join(path.dirname(from), file));
}
