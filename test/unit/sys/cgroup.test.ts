// SPDX-License-Identifier: Apache-2.0
// Where cgroup v2 is mounted, out of /proc/self/mountinfo as systems of all kinds have it.

import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { EnvironmentError } from '../../../agent/errors.ts';
import {
  type CgroupMount,
  cgroupMounts,
  findCgroupRoot,
  highestMount,
  isInsideCgroup,
  requireCgroup,
} from '../../../agent/sys/cgroup.ts';

const finds = test.macro({
  exec(t, lines: string[], expected: CgroupMount[]) {
    t.deepEqual(cgroupMounts(lines.map((line) => `${line}\n`).join('')), expected);
  },
  title: (what) => `mounts: ${what}`,
});
test('none', finds, [], []);
test(
  'only v1',
  finds,
  ['31 24 0:27 / /sys/fs/cgroup/cpu rw,nosuid shared:10 - cgroup cgroup rw,cpu,cpuacct'],
  [],
);
test(
  'unified',
  finds,
  [
    '22 28 0:20 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw',
    '30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate',
  ],
  [{ root: '/', mountPoint: '/sys/fs/cgroup' }],
);
test(
  'hybrid, without and with several optional fields',
  finds,
  [
    '31 24 0:27 / /sys/fs/cgroup/cpu rw,nosuid shared:10 - cgroup cgroup rw,cpu,cpuacct',
    '32 24 0:28 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup rw',
    '33 24 0:28 / /mnt rw shared:1 master:2 propagate_from:3 - cgroup2 none rw',
  ],
  [
    { root: '/', mountPoint: '/sys/fs/cgroup/unified' },
    { root: '/', mountPoint: '/mnt' },
  ],
);
test(
  'in a container, of a part',
  finds,
  ['812 795 0:26 /../../.. /host/sys/fs/cgroup ro - cgroup2 cgroup rw'],
  [{ root: '/../../..', mountPoint: '/host/sys/fs/cgroup' }],
);
test(
  'with white space and a backslash in its name',
  finds,
  ['812 795 0:26 /a\\040b /mnt/c\\011d\\134e rw - cgroup2 cgroup rw'],
  [{ root: '/a b', mountPoint: '/mnt/c\td\\e' }],
);
test(
  'a folder that is called as the file system is',
  finds,
  ['812 795 0:26 / /mnt/cgroup2 rw - tmpfs cgroup2 rw'],
  [],
);

test('on this machine the root is a cgroup, and this process is in it', (t) => {
  const root = findCgroupRoot();
  t.notThrows(() => requireCgroup(root));
  t.true(isInsideCgroup(root));
});

test('another folder is no cgroup, and the message says where they are', (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'signalbox-'));
  t.teardown(() => rmdirSync(folder));
  const error = t.throws(() => requireCgroup(folder), { instanceOf: EnvironmentError });
  t.is(error?.message, `${folder} is not a cgroup v2 directory`);
  t.is(error?.hint, `the hierarchy is mounted at ${findCgroupRoot()}`);
  t.throws(() => requireCgroup(path.join(folder, 'missing')), {
    instanceOf: EnvironmentError,
    message: /^cannot use cgroup .*missing: ENOENT/,
  });
  t.false(isInsideCgroup(folder));
});

test('on a node that is a container, a pod takes the node’s mount and not its own', (t) => {
  const own = { root: '/', mountPoint: '/sys/fs/cgroup' };
  const nodes = { root: '/../../../..', mountPoint: '/host/cgroup' };
  t.is(highestMount([own, nodes]), nodes);
  t.is(highestMount([nodes, own]), nodes);
  t.is(highestMount([own]), own);
  t.is(highestMount([]), undefined);
});
