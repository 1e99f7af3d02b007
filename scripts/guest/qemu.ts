// SPDX-License-Identifier: Apache-2.0
// How QEMU is told to be the guest: no network device, no disk, this machine's tree over 9p. Pure; boot.ts starts it.

export type Accelerator = 'tcg' | 'kvm';

export interface Machine {
  readonly accelerator: Accelerator;
  readonly memoryMb: number;
  readonly cpus: number;
  /** ELF, not bzImage. */
  readonly kernel: string;
  readonly initramfs: string;
  /** Becomes what the kernel says. */
  readonly console: string;
  readonly folders: readonly SharedFolder[];
}

export interface SharedFolder {
  /** By which the guest mounts it. */
  readonly tag: string;
  readonly path: string;
  readonly writable: boolean;
}

/**
 * CMPXCHG16B of QEMU 7.2's own processor leaves wrong flags behind, of which guests die ("double fault"). Five levels of
 * page tables only make each walk longer.
 */
const CPU: Readonly<Record<Accelerator, string>> = { tcg: 'max,cx16=off,la57=off', kvm: 'host' };

/**
 * A panic ends QEMU, which does not restart. What costs time and protects nothing here is off; so is a check of the timer
 * ("IO-APIC + timer doesn't work!"), which an emulated processor on a busy machine does not always pass. Without CMPXCHG16B,
 * kernels of today allocate what BPF keeps with a socket only from slabs that are checked (kmalloc_nolock() of mm/slub.c).
 */
const KERNEL_OPTIONS =
  'console=ttyS0 loglevel=4 panic=-1 mitigations=off nokaslr tsc=reliable no_timer_check no5lvl slab_debug=F,kmalloc-*';

export function qemuArguments(machine: Machine): readonly string[] {
  const { accelerator, memoryMb, cpus, kernel, initramfs, folders } = machine;
  return [
    ...['-M', 'q35', '-accel', accelerator, '-cpu', CPU[accelerator]],
    ...['-smp', String(cpus), '-m', String(memoryMb)],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-nic', 'none'],
    ...['-kernel', kernel, '-initrd', initramfs, '-append', KERNEL_OPTIONS],
    ...['-serial', `file:${escaped(machine.console)}`],
    ...folders.flatMap(shareArguments),
  ];
}

function shareArguments({ tag, path, writable }: SharedFolder): readonly string[] {
  const access = writable ? '' : ',readonly=on';
  return [
    '-fsdev',
    `local,id=${tag},path=${escaped(path)},security_model=none,multidevs=remap${access}`,
    '-device',
    `virtio-9p-pci,fsdev=${tag},mount_tag=${tag}`,
  ];
}

/** A comma ends a value, two are one. */
function escaped(value: string): string {
  return value.replaceAll(',', ',,');
}
