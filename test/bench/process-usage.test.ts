// SPDX-License-Identifier: Apache-2.0
// What /proc says of a process, as the kernel writes it.

import { spawnSync } from 'node:child_process';
import test from 'ava';
import {
  childCpuSeconds,
  cpuSeconds,
  parseChildCpuSeconds,
  parseCpuSeconds,
  parseMapUsage,
} from './process-usage.ts';

test('CPU time is user and system time, whatever the program is called', (t) => {
  const times = '150 75 0 0 20 0 11 0 5000 1 2';
  t.is(parseCpuSeconds(`42 (a) b (c)) S 1 42 42 0 -1 4194304 9 0 0 0 ${times}`), 2.25);
});

test('the time of children is told apart', (t) => {
  const times = '150 75 20 5 20 0 11 0 5000 1 2';
  t.is(parseChildCpuSeconds(`42 (a) b (c)) S 1 42 42 0 -1 4194304 9 0 0 0 ${times}`), 0.25);
});

test('what a child of this process took is its own once it has ended', (t) => {
  const before = childCpuSeconds(process.pid);
  spawnSync(process.execPath, ['-e', 'const end = Date.now() + 100; while (Date.now() < end);']);
  t.true(childCpuSeconds(process.pid) > before);
});

test('the time of this process is more after work', (t) => {
  const before = cpuSeconds(process.pid);
  const until = performance.now() + 100;
  while (performance.now() < until);
  t.true(cpuSeconds(process.pid) > before);
});

test('a descriptor of a BPF map tells what the kernel has for it', (t) => {
  const fdinfo = [
    'pos:\t0',
    'flags:\t02000002',
    'map_type:\t1',
    'key_size:\t20',
    'max_entries:\t131072',
    'memlock:\t3137952',
    'map_id:\t17',
    '',
  ].join('\n');
  t.deepEqual(parseMapUsage(fdinfo), { id: 17, type: 1, entries: 131072, bytes: 3137952 });
});

test('a descriptor of a program, which has memory too, is no map', (t) => {
  t.is(parseMapUsage('pos:\t0\nprog_type:\t18\nmemlock:\t4096\nprog_id:\t9\n'), undefined);
  t.is(parseMapUsage('link_type:\titer\nlink_id:\t5\nmap_id:\t17\n'), undefined);
  t.is(parseMapUsage(''), undefined);
});
