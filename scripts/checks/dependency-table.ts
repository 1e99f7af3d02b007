// SPDX-License-Identifier: Apache-2.0
// The README has a table that says of every npm package why it is here.

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** @returns one line for each package of package.json that no row of a table in the README names. */
export function dependencyTableProblems(manifest: Manifest, readme: string): readonly string[] {
  const rows = readme.split('\n').filter((line) => line.startsWith('|'));
  const names = Object.keys({
    ...manifest.dependencies,
    ...manifest.devDependencies,
    ...manifest.optionalDependencies,
  });
  return names
    .filter((name) => !rows.some((row) => row.includes(`\`${name}\``)))
    .map((name) => `README.md: no row of a table names \`${name}\` and says what it is for`);
}
