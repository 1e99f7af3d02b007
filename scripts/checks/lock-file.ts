// SPDX-License-Identifier: Apache-2.0
// `npm ci` refuses a lock file that leaves out a package for some other platform, and `npm install`
// writes such a file where a mirror lacks that package (npm/cli issue 9846). Found here, not in a clone.

export interface LockFile {
  readonly packages: Readonly<
    Record<string, { readonly optionalDependencies?: Readonly<Record<string, string>> }>
  >;
}

/** @returns one line for each optional dependency that has no entry of its own. */
export function lockFileProblems({ packages }: LockFile): readonly string[] {
  const paths = Object.keys(packages);
  return Object.entries(packages).flatMap(([owner, { optionalDependencies = {} }]) =>
    Object.entries(optionalDependencies)
      .filter(([name]) => !paths.some((path) => path.endsWith(`node_modules/${name}`)))
      .map(
        ([name, version]) =>
          `package-lock.json: ${owner} may bring ${name}@${version}, which has no entry`,
      ),
  );
}
