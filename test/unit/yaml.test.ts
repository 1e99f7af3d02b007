// SPDX-License-Identifier: Apache-2.0
// YAML that nobody vouches for.

import test from 'ava';
import { readYaml } from '../../agent/yaml.ts';

const values = (text: string) =>
  readYaml(text).map((document) => ('value' in document ? document.value : document.unreadable));

test('documents, as JSON would have them', (t) => {
  t.deepEqual(values('a: [1, yes]\n---\nb: 2001-01-01\n---\n'), [
    { a: [1, 'yes'] },
    { b: '2001-01-01' },
    null,
  ]);
  t.deepEqual(values(''), []);
  t.deepEqual(values('{"a": {"b": null}}'), [{ a: { b: null } }]);
});

test('merge keys and aliases', (t) => {
  t.deepEqual(values('a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: *a'), [
    { a: { x: 1, y: 2 }, b: { x: 1, y: 3 }, c: { x: 1, y: 2 } },
  ]);
});

test('what is no YAML says where, in one line', (t) => {
  t.deepEqual(values('a: [\n'), [
    'Flow sequence in block collection must be sufficiently indented and end with a ] at line 2, column 1',
  ]);
  t.regex(String(values('a: *b')[0]), /^Unresolved alias .*: b$/);
  t.regex(String(values('['.repeat(20_000))[0]), /^Maximum call stack size exceeded/);
});

test('a key that stands twice is told, and where', (t) => {
  const [document] = readYaml('a: 1\nb: {c: 1, "c": 2, 3: 1, "3": 2}\na: 3\n');
  t.deepEqual(document, {
    value: { a: 3, b: { 3: 2, c: 2 } },
    repeatedKeys: [
      { line: 3, col: 1 },
      { line: 2, col: 11 },
    ],
  });
});

test('a hundred thousand keys are no hundred thousand times a hundred thousand comparisons', (t) => {
  const keys = Array.from({ length: 100_000 }, (_, i) => `k${i}: 1\n`).join('');
  const [document] = readYaml(`${keys}k99999: 2\n`);
  t.deepEqual(document && 'repeatedKeys' in document && document.repeatedKeys, [
    { line: 100_001, col: 1 },
  ]);
});

test('aliases that multiply, that are too many, or that go round', (t) => {
  const bomb = ['a: &a [x,x,x,x,x,x,x,x,x,x]'];
  for (const [one, before] of ['ba', 'cb', 'dc']) {
    bomb.push(`${one}: &${one} [${Array(10).fill(`*${before}`)}]`);
  }
  t.regex(String(values(bomb.join('\n'))[0]), /^Excessive alias count/);
  const many = Array.from({ length: 1001 }, (_, i) => `- &a${i} x\n- *a${i}\n`).join('');
  t.deepEqual(values(many), ['more than 1000 aliases']);
  t.deepEqual(values('a: &a [*a]'), ['an alias stands within what it stands for']);
  t.deepEqual(values('&a {b: {c: [1, *a]}}'), ['an alias stands within what it stands for']);
});

test('a key that is no text', (t) => {
  for (const [text, place] of [
    ['a: b\n? [c]\n: d\n', 'line 2, column 3'],
    ['{a: 1}: 2', 'line 1, column 1'],
    [`a: 1\nb:\n  ${'? '.repeat(500)}`, 'line 3, column 5'],
    ['a: &a b\n*a : c\n', 'line 2, column 1'],
  ] as const) {
    t.deepEqual(values(text), [`a key is no text at ${place}`]);
  }
  t.deepEqual(values('1: a\n: b\ntrue: c\n'), [{ 1: 'a', '': 'b', true: 'c' }]);
});

test('keys that every object has are keys', (t) => {
  const [value] = values('__proto__: {polluted: 1}\nconstructor: {prototype: {polluted: 1}}\n');
  t.is(Reflect.get({}, 'polluted'), undefined);
  t.deepEqual(Object.keys(value as object), ['__proto__', 'constructor']);
  const [merged] = values('a: &a {"__proto__": {polluted: 1}}\nb: {<<: *a}');
  t.is(Reflect.get({}, 'polluted'), undefined);
  t.is(Reflect.get((merged as { b: object }).b, 'polluted'), undefined);
});
