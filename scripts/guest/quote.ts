// SPDX-License-Identifier: Apache-2.0
// Words for a POSIX shell, so that they arrive as they are. Pure.

/** @returns the word between single quotes; whatever is in it but NUL, which no argument can hold. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** @returns lines that set variables, or export them. @throws Error for a name that no variable can have. */
export function assignments(
  values: Readonly<Record<string, string>>,
  { exported = false }: { exported?: boolean } = {},
): string {
  return Object.entries(values)
    .map(([name, value]) => {
      if (!/^[A-Za-z_]\w*$/.test(name)) throw new Error(`${name} cannot be a variable's name`);
      return `${exported ? 'export ' : ''}${name}=${quote(value)}\n`;
    })
    .join('');
}
