// SPDX-License-Identifier: Apache-2.0
// FROM and TO as people write them.

import test from 'ava';
import { formatDestination, parseQueryLine } from '../../../agent/commands/explain-query.ts';
import { UsageError } from '../../../agent/errors.ts';

const reads = test.macro({
  exec(t, line: string, expected: string) {
    const { from, to } = parseQueryLine(line);
    t.is(`${from} ${formatDestination(to)}`, expected);
  },
  title: (_, line) => `reads ${line}`,
});
test(reads, 'host tcp/10.96.0.10:53', 'host tcp/10.96.0.10:53');
test(reads, '  External\tUDP/[FD00::0a]:53 ', 'external udp/[fd00::a]:53');
test(reads, '10.244.1.7 Sctp/10.96.0.10:65535', '10.244.1.7 sctp/10.96.0.10:65535');
test(reads, 'fd01::0:1 tcp/[::ffff:10.96.0.1]:1', 'fd01::1 tcp/10.96.0.1:1');

const refuses = test.macro({
  exec(t, line: string, what: RegExp) {
    const error = t.throws(() => parseQueryLine(line), { instanceOf: UsageError });
    t.regex(error?.message ?? '', what);
  },
  title: (_, line) => `refuses ${line}`,
});
test(refuses, '', /two words/);
test(refuses, 'host', /two words/);
test(refuses, 'host tcp/10.96.0.1:80 more', /two words/);
test(refuses, 'node-1 tcp/10.96.0.1:80', /^FROM node-1: /);
test(refuses, '10.0.0.256 tcp/10.96.0.1:80', /^FROM 10.0.0.256: /);
test(refuses, 'fe80::1%eth0 tcp/10.96.0.1:80', /^FROM /);
for (const to of [
  '10.96.0.1:80',
  'tcp/10.96.0.1',
  'tcp/10.96.0.1:',
  'tcp/10.96.0.1:0',
  'tcp/10.96.0.1:65536',
  'tcp/10.96.0.1:-1',
  'tcp/10.96.0.1:http',
  'icmp/10.96.0.1:80',
  'constructor/10.96.0.1:80',
  'tcp/fd00::1:80',
  'tcp/[fd00::1]',
  'tcp/[]:80',
  'tcp/web.default.svc:80',
  '10.96.0.1:80/tcp',
  'tcp:10.96.0.1:80',
]) {
  test(refuses, `host ${to}`, /^TO /);
}
