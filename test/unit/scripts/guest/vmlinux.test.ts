// SPDX-License-Identifier: Apache-2.0

import { execFileSync } from 'node:child_process';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import test from 'ava';
import { unpackVmlinux } from '../../../../scripts/guest/vmlinux.ts';
import { requireProgram } from '../../../helpers/requirements.ts';

const ELF = Buffer.concat([Buffer.from('\x7fELF', 'latin1'), Buffer.alloc(10_000, 'kernel')]);
const SETUP_SECTORS = 3;
const OFFSET = 100;

/** A bzImage with nothing in it but a payload, as Linux's boot protocol describes it. */
function bzImage(payload: Buffer): Buffer {
  const head = Buffer.alloc((SETUP_SECTORS + 1) * 512 + OFFSET, 0xee);
  head[0x1f1] = SETUP_SECTORS;
  head.write('HdrS', 0x202);
  head.writeUInt32LE(OFFSET, 0x248);
  head.writeUInt32LE(payload.length + 4, 0x24c);
  return Buffer.concat([head, payload, Buffer.alloc(4, 0x11), Buffer.alloc(300, 0xee)]);
}

for (const [name, pack] of [
  ['gzip', gzipSync],
  ['zstd', zstdCompressSync],
  ['nothing', (bytes: Buffer) => bytes],
] as const) {
  test(`a kernel that is packed with ${name} is unpacked`, (t) => {
    t.deepEqual(unpackVmlinux(bzImage(pack(ELF))), ELF);
  });
}

test('a kernel that is packed with xz is unpacked', (t) => {
  if (!requireProgram(t, 'xz')) return;
  const packed = execFileSync('xz', ['-c'], { input: ELF });
  t.deepEqual(unpackVmlinux(bzImage(packed)), ELF);
});

test('what is no kernel is told', (t) => {
  t.throws(() => unpackVmlinux(Buffer.alloc(4096)), { message: 'this is no bzImage' });
  const lz4 = Buffer.from('02214c18', 'hex');
  t.throws(() => unpackVmlinux(bzImage(lz4)), { message: /begins with the bytes 02214c18/ });
  const text = gzipSync(Buffer.from('text'));
  t.throws(() => unpackVmlinux(bzImage(text)), { message: /no ELF file/ });
});
