// SPDX-License-Identifier: Apache-2.0
// pod/main.ts and what it imports as one text for `node -e`: the image of the pods has Node and none of these files. Types
// are taken off here, because a slow machine takes seconds for it. Each import of a file becomes one of its text.

import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import path from 'node:path';

const MAIN = path.join(import.meta.dirname, 'pod/main.ts');

/** For `node --input-type=module -e`. */
export function podProgram(): string {
  return withImports(MAIN);
}

function withImports(file: string): string {
  const plain = stripTypeScriptTypes(readFileSync(file, 'utf8'));
  return plain.replaceAll(/ from '(\.\/[^']+)'/g, (_, name: string) => {
    const text = withImports(path.join(path.dirname(file), name));
    return ` from 'data:text/javascript;base64,${Buffer.from(text).toString('base64')}'`;
  });
}
