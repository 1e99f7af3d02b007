// SPDX-License-Identifier: Apache-2.0
// How the doctor reads: each reading fails by itself, and what could not be read is told by another finding.

/** @returns what `read` does, or `otherwise` when it throws. */
export function attempt<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
