// SPDX-License-Identifier: Apache-2.0
// Which lines of a kernel's log are a crash of Node: they alone have a file of tests run again.

import test from 'ava';
import { nodeCrashes } from '../../vm/kernel-log.ts';

test('crashes of Node are found, with a time before them and without', (t) => {
  const crashes = [
    '[   68.125] MainThread[812]: segfault at 7f00 ip 00007f12 sp 00007ffd error 4 in node[400000+1000]',
    'node[812]: segfault at 0 ip 0000000000000000 sp 00007ffd error 14',
    '[    9.000001] traps: V8Worker[99] general protection fault ip:7f12 sp:7ffd error:0',
    '[    9.000001] traps: MainThread[99] trap invalid opcode ip:7f12 sp:7ffd error:0 in node[400000+1000]',
  ];
  t.deepEqual(nodeCrashes(crashes.join('\n')), crashes);
});

test('nothing else is one: other programs, other words, no log', (t) => {
  const log = `[    3.1] echo-backends[70]: segfault at 0 ip 0 sp 0 error 4
[    3.2] node went away
[    3.3] Run /init as init process, MainThread[1]: not a segfault at all`;
  t.deepEqual(nodeCrashes(log), []);
  t.deepEqual(nodeCrashes(''), []);
});
