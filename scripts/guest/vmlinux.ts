// SPDX-License-Identifier: Apache-2.0
// Takes the ELF kernel out of a bzImage. QEMU starts that directly (PVH), which spares an emulated processor the
// unpacking: 3 s for one packed with xz. Offsets are those of Documentation/arch/x86/boot.rst of the kernel.

import { execFileSync } from 'node:child_process';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';

/** Number of 512-byte sectors of the code that runs before, without the first. */
const SETUP_SECTS = 0x1f1;
const MAGIC = 0x202;
const PAYLOAD_OFFSET = 0x248;
const PAYLOAD_LENGTH = 0x24c;
/** The payload ends with its size when unpacked. */
const SIZE_BYTES = 4;
const SECTOR_BYTES = 512;

/** @returns the ELF file. @throws Error for what is no bzImage or is packed in a way that no Debian kernel is. */
export function unpackVmlinux(image: Buffer): Buffer {
  if (image.toString('latin1', MAGIC, MAGIC + 4) !== 'HdrS') throw new Error('this is no bzImage');
  const start = ((image[SETUP_SECTS] ?? 0) + 1) * SECTOR_BYTES + image.readUInt32LE(PAYLOAD_OFFSET);
  const length = image.readUInt32LE(PAYLOAD_LENGTH) - SIZE_BYTES;
  const elf = unpack(image.subarray(start, start + length));
  if (elf.toString('latin1', 0, 4) !== '\x7fELF')
    throw new Error('the payload of the bzImage is no ELF file');
  return elf;
}

/** Unpacks a file by its first bytes: gzip, xz or zstd; one that is not packed stays as it is. */
export function unpack(packed: Buffer): Buffer {
  const magic = packed.toString('hex', 0, 4);
  if (magic === 'fd377a58') return unpackXz(packed);
  if (magic === '28b52ffd') return zstdDecompressSync(packed);
  if (magic.startsWith('1f8b')) return gunzipSync(packed);
  if (magic === '7f454c46') return packed;
  throw new Error(`no way is known to unpack a file that begins with the bytes ${magic}`);
}

/** Node has no xz of its own. */
function unpackXz(packed: Buffer): Buffer {
  return execFileSync('xz', ['-dc'], { input: packed, maxBuffer: 2 ** 30 });
}
