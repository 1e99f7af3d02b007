// SPDX-License-Identifier: Apache-2.0
// Where memory is counted, and what the kernel says of it, in both hierarchies of cgroups.

import test from 'ava';
import { findMemoryRoot, parseKernelBytes } from '../../lab/memory-cgroup.ts';

const V1 = '36 25 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory';
const V1_OTHER = '35 25 0:30 / /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu';
const V2 = '40 25 0:35 / /sys/fs/cgroup/unified rw shared:4 - cgroup2 cgroup2 rw';

test('v1 where it has the memory controller, else v2, else nowhere', (t) => {
  t.deepEqual(findMemoryRoot([V1_OTHER, V1, V2].join('\n')), {
    directory: '/sys/fs/cgroup/memory',
    isV1: true,
  });
  t.deepEqual(findMemoryRoot([V1_OTHER, V2].join('\n')), {
    directory: '/sys/fs/cgroup/unified',
    isV1: false,
  });
  t.is(findMemoryRoot(V1_OTHER), undefined);
});

test('what the kernel has: a number of its own, or a line among others', (t) => {
  t.is(parseKernelBytes('4096\n'), 4096);
  t.is(parseKernelBytes('anon 1\nfile 2\nkernel 8192\nkernel_stack 3\n'), 8192);
  t.throws(() => parseKernelBytes('anon 1\nkernel_stack 3\n'), { message: /does not say/ });
});
