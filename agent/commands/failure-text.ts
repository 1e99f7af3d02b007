// SPDX-License-Identifier: Apache-2.0
// What people are told of Services that could not be programmed, in `status` and in Events. Pure.

import { roomFor } from '../model/table-sizes.ts';
import type { Failure } from '../reconcile/apply.ts';
import type { TableFill } from '../telemetry/metrics.ts';
import type { Status } from '../telemetry/status.ts';

/** Of Services that fail, so many have a line of their own: other problems are to be seen, too. */
const NAMED = 8;

/** Why, and what makes room where it is that. @param tables what is known of their sizes. */
export function failureText(
  { message, full }: Pick<Failure, 'message' | 'full'>,
  tables: readonly TableFill[],
): string {
  const fill = tables.find(({ table }) => table === full?.table);
  if (!full || !fill) return message;
  const { table, code } = full;
  const { capacity } = fill;
  return `the table ${table} is full with ${capacity} entries (${code}); ${roomFor(table, capacity)}`;
}

/** Lines for `status`: the first Services by name, then how many more there are. */
export function failedServiceLines(failures: Status['failures']): string[] {
  const lines = failures
    .slice(0, NAMED)
    .map(({ service, message }) => `Service ${service} is not programmed: ${message}`);
  const others = failures.length - NAMED;
  if (others <= 0) return lines;
  return [...lines, `and ${others} more Services: \`signalbox status -o json\` has all (failures)`];
}
