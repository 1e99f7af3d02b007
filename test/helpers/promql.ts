// SPDX-License-Identifier: Apache-2.0
// What a PromQL expression asks for: metrics by name, with the labels that it matches, groups by or joins on. With
// Prometheus' own parser; for tests of dashboards and alerts against what an agent really exports. Pure.

import { parser } from '@prometheus-io/lezer-promql';

type SyntaxNode = ReturnType<typeof parser.parse>['topNode'];

/** One occurrence of a metric. */
export interface Selector {
  readonly metric: string;
  readonly matchers: readonly LabelMatcher[];
  /** Labels that aggregations around it group by, and operators around it match on. */
  readonly groupedBy: readonly string[];
}

export interface LabelMatcher {
  readonly label: string;
  readonly operator: '=' | '!=' | '=~' | '!~';
  readonly value: string;
}

/**
 * The selectors of `query`, in their order.
 *
 * @param variables of Grafana, `$instance` or `${instance}`, by what takes their place; of others, and of durations as
 *   `$__rate_interval`, the name stands for itself.
 * @throws when it is no PromQL, with the place.
 */
export function selectorsOf(
  query: string,
  variables: Readonly<Record<string, string>> = {},
): Selector[] {
  const text = withVariables(query, variables);
  const selectors: Selector[] = [];
  visit(parser.parse(text).topNode, [], (node, groupedBy) => {
    if (node.type.isError) {
      throw new SyntaxError(`no PromQL at ${text.slice(node.from, node.from + 20)} in: ${text}`);
    }
    if (node.name === 'VectorSelector') selectors.push(selectorOf(node, text, groupedBy));
  });

  function visit(
    node: SyntaxNode,
    around: readonly string[],
    enter: (node: SyntaxNode, groupedBy: readonly string[]) => void,
  ): void {
    const groupedBy = [...around, ...groupingLabels(node, text)];
    enter(node, groupedBy);
    for (let child = node.firstChild; child; child = child.nextSibling) {
      visit(child, groupedBy, enter);
    }
  }
  return selectors;
}

/** Of an aggregation `by (...)`, of an operator `on (...)`: what is left after `without` and `ignoring` nobody says. */
function groupingLabels(node: SyntaxNode, text: string): string[] {
  const clauses = [
    ...node.getChildren('AggregateModifier').filter((clause) => clause.getChild('By')),
    ...node.getChildren('MatchingModifierClause').filter((clause) => clause.getChild('On')),
  ];
  return (
    clauses
      // Behind `on` may stand more, of group_left: labels of one side only.
      .flatMap((clause) => clause.getChild('GroupingLabels') ?? [])
      .flatMap((labels) => labels.getChildren('LabelName'))
      .map(({ from, to }) => text.slice(from, to))
  );
}

function selectorOf(node: SyntaxNode, text: string, groupedBy: readonly string[]): Selector {
  const said = (of: SyntaxNode | null) => (of ? text.slice(of.from, of.to) : '');
  const matchers = (node.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? []).map(
    (matcher): LabelMatcher => ({
      label: said(matcher.getChild('LabelName')),
      operator: said(matcher.getChild('MatchOp')) as LabelMatcher['operator'],
      value: said(matcher.getChild('StringLiteral')).slice(1, -1),
    }),
  );
  const name = matchers.find(({ label }) => label === '__name__')?.value;
  return {
    metric: said(node.getChild('Identifier')) || (name ?? ''),
    matchers: matchers.filter(({ label }) => label !== '__name__'),
    groupedBy,
  };
}

function withVariables(query: string, variables: Readonly<Record<string, string>>): string {
  return query
    .replaceAll(/\$__(?:rate_interval|interval|range)/g, '5m')
    .replaceAll(/\$\{?(\w+)(?::\w+)?\}?/g, (_, name: string) => variables[name] ?? name);
}

/** A series as an exporter shows it. */
export interface Series {
  readonly metric: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Reads the text exposition format (version 0.0.4). @throws at a line that is none. */
export function parseExposition(text: string): Series[] {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return lines.map((line) => {
    const [, metric, labels = '', value] =
      /^([\w:]+)(?:\{(.*)\})? (\S+)(?: \d+)?$/.exec(line) ?? [];
    if (metric === undefined) throw new SyntaxError(`no metric: ${line}`);
    const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)",?/g)];
    return {
      metric,
      labels: Object.fromEntries(pairs.map(([, name, said = '']) => [name, unescaped(said)])),
      value: Number(value === '+Inf' ? 'Infinity' : value),
    };
  });
}

function unescaped(text: string): string {
  return text.replaceAll(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char));
}

/**
 * What `selector` does not find in `series`: nothing when a series matches, and has every label that is asked for.
 *
 * @param targetLabels that Prometheus adds to all that it scrapes, as job and instance: matchers of them count as met.
 */
export function missingIn(
  { metric, matchers, groupedBy }: Selector,
  series: readonly Series[],
  targetLabels: readonly string[],
): string | undefined {
  const ofName = series.filter((one) => one.metric === metric);
  if (!ofName.length) return `there is no ${metric}`;
  const own = matchers.filter(({ label }) => !targetLabels.includes(label));
  const asked = [...own.map(({ label }) => label), ...groupedBy];
  for (const label of asked) {
    if (targetLabels.includes(label) || ofName.some(({ labels }) => label in labels)) continue;
    return `${metric} has no label ${label}`;
  }
  const found = ofName.some(({ labels }) => own.every((matcher) => matches(matcher, labels)));
  const said = own.map(({ label, operator, value }) => `${label}${operator}"${value}"`).join(', ');
  return found ? undefined : `there is no ${metric}{${said}}`;
}

function matches({ label, operator, value }: LabelMatcher, labels: Series['labels']): boolean {
  const actual = labels[label] ?? '';
  switch (operator) {
    case '=':
      return actual === value;
    case '!=':
      return actual !== value;
    case '=~':
      return new RegExp(`^(?:${value})$`).test(actual);
    case '!~':
      return !new RegExp(`^(?:${value})$`).test(actual);
  }
}
