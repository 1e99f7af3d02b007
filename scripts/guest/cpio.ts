// SPDX-License-Identifier: Apache-2.0
// An archive as the kernel takes it for an initramfs: cpio in the form `newc`. Pure. The format is in
// Documentation/driver-api/early-userspace/buffer-format.rst of the kernel.

export interface ArchiveFile {
  /** From the root, without a leading slash; its folder comes before it. */
  readonly name: string;
  /** Type and permissions, as of stat(2). */
  readonly mode: number;
  readonly content?: Buffer;
}

const MAGIC = '070701';
const TRAILER: ArchiveFile = { name: 'TRAILER!!!', mode: 0 };
/** Names and contents begin at multiples of this. */
const ALIGNMENT = 4;

export function packArchive(files: readonly ArchiveFile[]): Buffer {
  return Buffer.concat([...files, TRAILER].flatMap((file, at) => [header(file, at), body(file)]));
}

function header({ name, mode, content }: ArchiveFile, at: number): Buffer {
  const size = content?.length ?? 0;
  const nameBytes = Buffer.byteLength(name) + 1;
  // inode, mode, owner, group, links, mtime, size, device (2), special device (2), length of the name, checksum
  const fields = [at + 1, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, nameBytes, 0];
  const text = fields.map((field) => field.toString(16).padStart(8, '0')).join('');
  return padded(Buffer.from(`${MAGIC}${text}${name}\0`));
}

function body({ content = Buffer.alloc(0) }: ArchiveFile): Buffer {
  return padded(content);
}

function padded(bytes: Buffer): Buffer {
  const over = bytes.length % ALIGNMENT;
  return over === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(ALIGNMENT - over)]);
}
