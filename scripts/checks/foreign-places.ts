// SPDX-License-Identifier: Apache-2.0
// The tree works on any machine and behind any mirror: it names no package registry and nobody's
// home folder.

import type { SourceFile } from './source-files.ts';

const PLACES: readonly RegExp[] = [
  // Package registries. Where packages and images come from is for the machine's own configuration to say.
  /\bregistry\.[a-z0-9-]+\.[a-z]+|\bnpmjs\.(?:org|com)\b|\bpypi\.org\b/i,
  /\b(?:docker|gcr|ghcr|quay|k8s\.gcr)\.io\//i,
  // Home folders; not a part of a longer path or address.
  /(?<![\w.~/-])\/(?:home\/(?!vagrant\b)[\w.-]+|Users\/[\w.-]+|root)(?:\/|\b)/,
];

/** @returns one line for each place that only one machine, or one network, has. */
export function foreignPlaceProblems(files: readonly SourceFile[]): readonly string[] {
  return files.flatMap((file) =>
    file.text.split('\n').flatMap((line, at) =>
      PLACES.flatMap((place) => {
        const found = line.match(place)?.[0];
        return found === undefined ? [] : [`${file.path}:${at + 1}: names ${found}`];
      }),
    ),
  );
}
