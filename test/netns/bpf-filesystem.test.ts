// SPDX-License-Identifier: Apache-2.0
// A node without a BPF file system gets one, where pins outlive whoever made them. In a mount namespace of its own: the
// machine's own file system stays as it is.

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { requireRoot } from '../helpers/requirements.ts';

const MODULE = fileURLToPath(new URL('../../agent/sys/bpf-filesystem.ts', import.meta.url));
const LOG = fileURLToPath(new URL('../../agent/telemetry/log.ts', import.meta.url));

/** Runs ensureBpffs where /sys/fs/bpf is a plain directory. @returns mounts there, after each of two calls. */
function mountsAfter(pins: string): readonly string[] {
  const program = `
    const { readFileSync } = await import('node:fs');
    const { ensureBpffs } = await import('${MODULE}');
    const { createLogger } = await import('${LOG}');
    const mounts = () => readFileSync('/proc/self/mountinfo', 'utf8').split('\\n')
      .filter((line) => line.split(' ')[4] === '/sys/fs/bpf').length;
    const seen = [mounts()];
    for (let times = 0; times < 2; times++) {
      ensureBpffs('${pins}', createLogger('error'));
      seen.push(mounts());
    }
    console.log(seen.join(' '));`;
  // However many lie there on top of each other, and none is one that is fine too.
  const script = `while umount /sys/fs/bpf 2>/dev/null; do :; done
    exec "$0" --input-type=module -e "$1"`;
  const args = ['--mount', '--propagation', 'private', 'sh', '-c', script];
  const output = execFileSync('unshare', [...args, process.execPath, program], {
    encoding: 'utf8',
  });
  return output.trim().split(' ');
}

test('where none is, one is mounted, and just one', (t) => {
  if (!requireRoot(t)) return;
  t.deepEqual(mountsAfter('/sys/fs/bpf/signalbox'), ['0', '1', '1']);
});

test('pins elsewhere are somebody’s own choice', (t) => {
  if (!requireRoot(t)) return;
  t.deepEqual(mountsAfter('/mnt/bpf/signalbox'), ['0', '0', '0']);
});
