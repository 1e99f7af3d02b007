// SPDX-License-Identifier: Apache-2.0
// What is wrong right now, as those say who found it: each part of the agent keeps its own lines here, AgentReport
// shows all of them. A run has two, for problems and for warnings: nothing of it is left to the next.

export class Problems {
  readonly #lines = new Map<string, readonly string[]>();

  /** What `source` has to say by now, in place of what it said before. No lines: it is well again. */
  set(source: string, lines: readonly string[]): void {
    if (lines.length > 0) this.#lines.set(source, lines);
    else this.#lines.delete(source);
  }

  /** Those who complained first come first. */
  get all(): readonly string[] {
    return [...this.#lines.values()].flat();
  }
}
