// SPDX-License-Identifier: Apache-2.0
// Errors that a person can mend. main.ts prints them as one line, without a stack, and exits with
// their code; anything else is a bug and prints its stack.

interface Mendable {
  /** What to do about it: an instruction, shown after the message. */
  readonly hint?: string;
  readonly cause?: unknown;
}

export abstract class MendableError extends Error {
  abstract readonly exitCode: number;
  readonly hint: string | undefined;

  constructor(message: string, { hint, cause }: Mendable = {}) {
    super(message, cause === undefined ? {} : { cause });
    this.name = new.target.name;
    this.hint = hint;
  }
}

/** The command line asks for something that cannot be: exit code 2. */
export class UsageError extends MendableError {
  readonly exitCode = 2;
}

/** The machine, a file or a server does not give what is needed: exit code 1. */
export class EnvironmentError extends MendableError {
  readonly exitCode = 1;
}

/** @returns the message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
