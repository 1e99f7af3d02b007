// SPDX-License-Identifier: Apache-2.0
// Old or new, and never back: the states of the cluster that an agent has known since the tables last were all as they
// are to be. What a row of the tables says must be what some of them says, and never one before that of its last look.
// Used by table-watch.ts.

import { withoutRanges } from '../helpers/old-or-new.ts';
import { frontendRows, type View } from '../helpers/table-view.ts';
import { expectedNodeRows, expectedTables, type KnownState } from './expected-tables.ts';

export type Rows = ReadonlyMap<string, string>;

class State {
  readonly known: KnownState | undefined;
  #tables: View | undefined;
  #rows: Rows | undefined;

  constructor(known: KnownState | undefined, rows?: Rows) {
    this.known = known;
    this.#rows = rows;
  }

  get tables(): View | undefined {
    if (this.known) this.#tables ??= expectedTables(this.known);
    return this.#tables;
  }

  get rows(): Rows {
    if (!this.#rows && this.known && this.tables) {
      this.#rows = new Map([...serviceRows(this.tables), ...expectedNodeRows(this.known)]);
    }
    return this.#rows ?? new Map();
  }
}

/** Rows of what is dialled, without the source ranges: another table has them. */
export function serviceRows(tables: View): Map<string, string> {
  return new Map([...frontendRows(tables)].map(([key, row]) => [key, withoutRanges(row) ?? '']));
}

export class KnownStates {
  #states: State[];
  /** How far each row has come. */
  #reached = new Map<string, number>();

  /** @param rows of the tables as an agent finds them. */
  constructor(rows: Rows) {
    this.#states = [new State(undefined, rows)];
  }

  get count(): number {
    return this.#states.length;
  }

  get newest(): Pick<State, 'rows' | 'tables'> {
    return this.#states.at(-1) as State;
  }

  add(state: KnownState): void {
    if (!isSame(this.#states.at(-1)?.known, state)) this.#states.push(new State(state));
  }

  /** All rows are as the newest state says: what was before counts no more. */
  forgetOlder(): void {
    this.#states = this.#states.slice(-1);
    this.#reached = new Map();
  }

  /** @returns what is wrong with a row that says this now; undefined where there is none. */
  step(key: string, row: string | undefined): string | undefined {
    const from = this.#reached.get(key) ?? 0;
    for (let i = from; i < this.#states.length; i++) {
      if (this.#states[i]?.rows.get(key) !== row) continue;
      this.#reached.set(key, i);
      return undefined;
    }
    const may = new Set(this.#states.slice(from).map(({ rows }) => rows.get(key) ?? 'nothing'));
    return `${key}: ${row ?? 'nothing'}, which is none of\n    ${[...may].join('\n    ')}`;
  }
}

function isSame(one: KnownState | undefined, other: KnownState): boolean {
  if (one?.node !== other.node || one.services.size !== other.services.size) return false;
  for (const [key, { service, slices }] of other.services) {
    const before = one.services.get(key);
    if (before?.service !== service || before.slices.length !== slices.length) return false;
    if (!slices.every((slice, i) => before.slices[i] === slice)) return false;
  }
  return true;
}
