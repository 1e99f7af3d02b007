// SPDX-License-Identifier: Apache-2.0
// What several subcommands take.

import path from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import { ROOT } from '../../scripts/command.ts';
import { INVENTORY_FILE } from './inventory.ts';

export interface InventoryFlags {
  readonly inventory: string;
}

export function inventoryOption(): Option {
  const shown = path.relative(ROOT, INVENTORY_FILE);
  return new Option('--inventory <file>', 'the machines').default(INVENTORY_FILE, shown);
}

export function minutesOption(description: string, byDefault: number): Option {
  return new Option('--timeout <minutes>', description).argParser(minutes).default(byDefault);
}

function minutes(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number > 0) return number;
  throw new InvalidArgumentError('It must be a whole number of minutes above 0.');
}
