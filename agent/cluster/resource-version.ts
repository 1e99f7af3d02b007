// SPDX-License-Identifier: Apache-2.0
// Which of two resourceVersions is the older one. Pure; used by watch-position.ts.

/**
 * Those of one kind are decimal numbers that only grow, of any length (Kubernetes documents it since 1.35, and its
 * servers have always done so).
 *
 * @returns false also when one of them is no such number: nothing is known of their order then.
 */
export function isOlder(version: string, than: string): boolean {
  if (!DECIMAL.test(version) || !DECIMAL.test(than)) return false;
  if (version.length !== than.length) return version.length < than.length;
  return version < than;
}

const DECIMAL = /^(0|[1-9]\d*)$/;
