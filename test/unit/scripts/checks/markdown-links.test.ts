// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import { linkProblems } from '../../../../scripts/checks/markdown-links.ts';

const TREE = new Set(['README.md', 'docs/a b.md', 'docs/design.md', 'docs']);
const problemsOf = (text: string, file = 'docs/guide.md') =>
  linkProblems([{ path: file, text }], (it) => TREE.has(it.replace(/\/$/, '')));

test('links into the tree, links elsewhere and code are fine', (t) => {
  const text = [
    '[up](../README.md) and ![here](design.md#flow "The flow")',
    '[root](/docs/design.md), [folder](../docs/), [space](<a%20b.md>)',
    '[web](https://example.com/none.md) [mail](mailto:a@example.com) [section](#none)',
    '[ref]: design.md',
    '`[code](none.md)`',
    '```md\n[fenced](none.md)\n```',
  ].join('\n');
  t.deepEqual(problemsOf(text), []);
});

test('a link to nothing is named with its line', (t) => {
  t.deepEqual(problemsOf('```\ncode\n```\n[a](none.md)\n\n[b]: ../gone.md\n'), [
    'docs/guide.md:4: there is no none.md',
    'docs/guide.md:6: there is no ../gone.md',
  ]);
  t.deepEqual(problemsOf('[up](../README.md)', 'README.md'), [
    'README.md:1: there is no ../README.md',
  ]);
  t.deepEqual(problemsOf('[not Markdown](none.md)', 'agent/main.ts'), []);
});
