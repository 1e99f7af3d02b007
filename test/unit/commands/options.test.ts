// SPDX-License-Identifier: Apache-2.0
// Values of options: what is taken, and what is said about the rest.

import test from 'ava';
import { parseBindAddress } from '../../../agent/commands/options.ts';
import { UsageError } from '../../../agent/errors.ts';

const parses = test.macro({
  exec(t, text: string, host: string, port: number) {
    t.deepEqual(parseBindAddress('--bind', text) as unknown, { host, port });
  },
  title: (_, text) => `bind address ${text}`,
});
test(parses, '127.0.0.1:10249', '127.0.0.1', 10249);
test(parses, '0.0.0.0:0', '0.0.0.0', 0);
test(parses, '[::1]:65535', '::1', 65535);
test(parses, '[::]:10249', '::', 10249);
test(parses, '[::ffff:127.0.0.1]:80', '127.0.0.1', 80);

test('an empty bind address is off', (t) => {
  t.is(parseBindAddress('--bind', ''), undefined);
});

const refuses = test.macro({
  exec(t, text: string) {
    const error = t.throws(() => parseBindAddress('--bind', text), { instanceOf: UsageError });
    t.true(error?.message.startsWith(`--bind ${text}: `));
  },
  title: (_, text) => `no bind address: '${text}'`,
});
test(refuses, '10249');
test(refuses, ':10249');
test(refuses, '127.0.0.1');
test(refuses, '127.0.0.1:');
test(refuses, '127.0.0.1:65536');
test(refuses, '127.0.0.1:-1');
test(refuses, '127.0.0.1:http');
test(refuses, 'localhost:80');
test(refuses, '::1:80');
test(refuses, '[::1]');
test(refuses, '[]:80');
test(refuses, ' 127.0.0.1:80');
