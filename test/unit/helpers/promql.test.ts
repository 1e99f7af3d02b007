// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import { missingIn, parseExposition, selectorsOf } from '../../helpers/promql.ts';

test('selectors: name, matchers, and what is grouped by around them', (t) => {
  const query =
    'histogram_quantile(0.9, sum by (instance, le) (rate(a_bucket{job="x", verb=~"GET|POST"}[5m])))' +
    ' / on (instance) group_left (zone) b offset 1m';
  t.deepEqual(selectorsOf(query), [
    {
      metric: 'a_bucket',
      matchers: [
        { label: 'job', operator: '=', value: 'x' },
        { label: 'verb', operator: '=~', value: 'GET|POST' },
      ],
      groupedBy: ['instance', 'instance', 'le'],
    },
    { metric: 'b', matchers: [], groupedBy: ['instance'] },
  ]);
  t.deepEqual(selectorsOf('absent({__name__="up", job!="y"} == 1)'), [
    { metric: 'up', matchers: [{ label: 'job', operator: '!=', value: 'y' }], groupedBy: [] },
  ]);
});

test('variables of Grafana have values, and durations of theirs are some', (t) => {
  const query = 'rate(a{i=~"$instance", c="$CLUSTER"}[$__rate_interval])'.replace(
    'CLUSTER',
    '{cluster:raw}',
  );
  t.deepEqual(
    selectorsOf(query, { instance: '.+' })[0]?.matchers.map(({ value }) => value),
    ['.+', 'cluster'],
  );
});

test('what is no PromQL is an error', (t) => {
  for (const text of ['sum(a{b=})', 'rate(a[5m', 'a b', '']) {
    t.throws(() => selectorsOf(text), { instanceOf: SyntaxError }, text);
  }
});

const EXPOSITION = `# HELP a Help.
# TYPE a counter
a{x="1",y="say \\"hi\\", \\\\ {}"} 3
a{x="2"} 1e+06 1700000000
a_bucket{le="+Inf"} +Inf
b 0
`;

test('series are read as they are shown', (t) => {
  t.deepEqual(parseExposition(EXPOSITION), [
    { metric: 'a', labels: { x: '1', y: 'say "hi", \\ {}' }, value: 3 },
    { metric: 'a', labels: { x: '2' }, value: 1e6 },
    { metric: 'a_bucket', labels: { le: '+Inf' }, value: Infinity },
    { metric: 'b', labels: {}, value: 0 },
  ]);
  t.throws(() => parseExposition('a{x="1" 3'), { instanceOf: SyntaxError });
});

test('a selector misses its metric, a label or a value', (t) => {
  const series = parseExposition(EXPOSITION);
  const missing = (query: string) =>
    selectorsOf(query).flatMap((selector) => missingIn(selector, series, ['job']) ?? []);
  t.deepEqual(missing('sum by (x, job) (a{job="z", x=~"1|3", y!~"1"}) + b{job=""}'), []);
  t.deepEqual(missing('c'), ['there is no c']);
  t.deepEqual(missing('b{x="1"}'), ['b has no label x']);
  t.deepEqual(missing('sum by (z) (a)'), ['a has no label z']);
  t.deepEqual(missing('a{x="3"}'), ['there is no a{x="3"}']);
  t.deepEqual(missing('a{x="1", y=""}'), ['there is no a{x="1", y=""}']);
  t.deepEqual(missing('a{x!~"1|2"}'), ['there is no a{x!~"1|2"}']);
});
