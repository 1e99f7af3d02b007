// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import { qemuArguments } from '../../../../scripts/guest/qemu.ts';

const MACHINE = {
  accelerator: 'tcg',
  memoryMb: 640,
  cpus: 1,
  kernel: '/k/vmlinux',
  initramfs: '/k/i.cpio',
  console: '/t/console,a',
  folders: [
    { tag: 'host', path: '/', writable: false },
    { tag: 'out', path: '/a,b', writable: true },
  ],
} as const;

test('this machine is only read, unless a folder is to be written', (t) => {
  const shares = qemuArguments(MACHINE).filter((word) => word.startsWith('local,'));
  t.deepEqual(
    shares.map((share) => share.endsWith(',readonly=on')),
    [true, false],
  );
});

test('a comma in a path does not end it', (t) => {
  const words = qemuArguments(MACHINE).join(' ');
  t.regex(words, /path=\/a,,b,/);
  t.regex(words, /file:\/t\/console,,a /);
});

test('there is no network, and the emulated processor is without what kills its guests', (t) => {
  const words = qemuArguments(MACHINE).join(' ');
  t.regex(words, /-nodefaults .*-nic none/);
  t.regex(words, /-cpu \S*,cx16=off/);
  t.regex(qemuArguments({ ...MACHINE, accelerator: 'kvm' }).join(' '), /-accel kvm -cpu host /);
});
