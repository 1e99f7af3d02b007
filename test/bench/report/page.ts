// SPDX-License-Identifier: Apache-2.0
// What a report consists of, whatever it is written as: markdown.ts and html.ts write the same page. Types alone.

import type { BudgetRow } from '../result.ts';
import type { PlotName } from './plot-names.ts';

export interface Page {
  readonly title: string;
  readonly headlines: readonly Headline[];
  readonly chapters: readonly Chapter[];
}

/** One number that matters, and kube-proxy's. */
export interface Headline {
  readonly what: string;
  readonly signalbox: string;
  readonly kubeProxy: string;
}

export interface Chapter {
  readonly title: string;
  readonly blocks: readonly Block[];
}

export type Block =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'list'; readonly items: readonly string[] }
  | ({ readonly kind: 'table' } & Table)
  | { readonly kind: 'budgets'; readonly rows: readonly BudgetRow[] }
  | { readonly kind: 'plots'; readonly names: readonly PlotName[] };

export interface Table {
  /** '' where the chapter's title says it. */
  readonly caption: string;
  readonly heads: readonly string[];
  /** The first so many columns hold words; all others numbers. */
  readonly words: number;
  readonly rows: readonly (readonly string[])[];
}

export const BUDGET_HEADS = ['what', 'direct', 'kube-proxy', 'budget', 'Signalbox', 'met'];

/** In words beside the sign: colour and shape alone reach not everybody. */
export function verdictText({ isMet }: BudgetRow): string {
  if (isMet === undefined) return '– not judged';
  return isMet ? '✓ met' : '✗ missed';
}

export function budgetCells(row: BudgetRow): string[] {
  return [row.what, row.direct, row.kubeProxy, row.budget, row.measured, verdictText(row)];
}
