// SPDX-License-Identifier: Apache-2.0
// That what finds bugs would find them: an exception, a change of what is inherited, an input without an end.

import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { Fuzzing } from './fuzz.ts';
import { mutatedBytes, mutatedJson, mutatedText } from './mutate.ts';

/** As much of a test as is needed. Files go with the test. */
function recorder(t: ExecutionContext) {
  const lines: string[] = [];
  const written = () => lines[1]?.replace('the input is in ', '') ?? '';
  t.teardown(() => {
    if (written() !== '') rmSync(path.dirname(written()), { recursive: true });
  });
  const stub = { title: 'this', timeout() {}, log: (line: string) => lines.push(line), true() {} };
  const fuzzing = new Fuzzing(stub as unknown as ExecutionContext);
  return { fuzzing, lines, input: () => readFileSync(written(), 'utf8') };
}

const broken = {
  what: 'a broken parser',
  input: mutatedText(['abc', 'abd']),
  runs: 5_000,
  check(text: string) {
    if (text.includes('d') && text.length > 3) throw new RangeError('bad');
  },
};

test.serial('an exception is told, with what repeats it and the smallest input', (t) => {
  const { fuzzing, lines, input } = recorder(t);
  const error = t.throws(() => fuzzing.run(broken), { message: 'bad' });
  t.true(error instanceof RangeError);
  const [, only, seed = '', at = ''] =
    lines[0]?.match(/FUZZ_ONLY='(.*)' FUZZ_SEED=(\d+) FUZZ_PATH=([\d:]+) node_modules/) ?? [];
  t.is(only, broken.what);
  t.throws(() => broken.check(input()), { message: 'bad' });
  t.teardown(() => {
    delete process.env.FUZZ_SEED;
    delete process.env.FUZZ_PATH;
  });
  Object.assign(process.env, { FUZZ_SEED: seed, FUZZ_PATH: at });
  const again = recorder(t);
  t.throws(() => again.fuzzing.run(broken), { message: 'bad' });
  t.is(again.input(), input());
});

test.serial('who changes what every object inherits is found', (t) => {
  const { fuzzing } = recorder(t);
  t.teardown(() => Reflect.deleteProperty(Object.prototype, 'polluted'));
  const check = () => Reflect.set(Object.prototype, 'polluted', 1);
  t.throws(() => fuzzing.run({ what: 'x', input: fc.constant(1), runs: 1, check }), {
    message: 'every object inherits something new: polluted',
  });
});

test.serial('an input that takes for ever ends the process, by its number', (t) => {
  const watchdog = path.join(import.meta.dirname, 'watchdog.ts');
  const program = `
    import { Watchdog } from ${JSON.stringify(watchdog)};
    const dog = new Watchdog({ what: 'a', runs: 1, title: 't', folder: 'f' }, 0.5);
    await new Promise((resolve) => setTimeout(resolve, 100));
    dog.begin();
    dog.begin();
    for (;;);
  `;
  const { signal, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module-typescript', '--eval', program],
    { encoding: 'utf8', env: { ...process.env, FUZZ_SEED: '7' }, timeout: 100_000 },
  );
  t.is(signal, 'SIGKILL', stderr);
  t.is(
    stderr.trim(),
    "an input takes for ever: FUZZ_ONLY='a' FUZZ_SEED=7 FUZZ_PATH=1 node_modules/.bin/ava f --match '*t'",
  );
});

test('mutations are of every size, and leave some inputs as they are', (t) => {
  const texts = fc.sample(mutatedText(['abcdefgh\nijkl'], ['WORD']), { numRuns: 2_000, seed: 1 });
  for (const [what, isThere] of [
    ['as it is', (text: string) => text === 'abcdefgh\nijkl'],
    ['longer by far', (text: string) => text.length > 1_000],
    ['cut', (text: string) => text.length < 5],
    ['a word of the field', (text: string) => text.includes('WORD')],
    ['a key of every object', (text: string) => text.includes('__proto__')],
  ] as const) {
    t.true(texts.some(isThere), what);
  }
  const bytes = fc.sample(mutatedBytes([new Uint8Array(64)]), { numRuns: 2_000, seed: 1 });
  t.true(bytes.some((some) => some.length === 64 && some.some((byte) => byte === 0xff)));
  t.true(bytes.every((some) => some.length <= 1 << 14));
  const values = fc.sample(mutatedJson([{ a: [1, { b: 'c' }] }], ['WORD']), {
    numRuns: 2_000,
    seed: 1,
  });
  const written = values.map((value) => JSON.stringify(value) ?? 'undefined');
  for (const part of ['"__proto__":', '"WORD"', '[1,{"b":"c"},1,', 'undefined']) {
    t.true(
      written.some((json) => json.includes(part)),
      part,
    );
  }
});
