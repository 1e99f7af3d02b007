// SPDX-License-Identifier: Apache-2.0
// One at a time, among all processes of this machine. The kernel lets go of the lock when its holder dies.

import { spawn } from 'node:child_process';
import { once } from 'node:events';

const SOON_MS = 2000;

/** Runs `work` while no other process holds the lock of this file. @param onWait is called when that takes a while. */
export async function withLock<T>(
  file: string,
  work: () => Promise<T>,
  onWait: () => void,
): Promise<T> {
  // Node has no flock(2). This one ends with the pipe to it, and so with this process.
  const holder = spawn('flock', [file, 'sh', '-c', 'echo locked && exec cat >/dev/null'], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let said = '';
  holder.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    said += chunk;
  });
  const ended = once(holder, 'close');
  const waiting = setTimeout(onWait, SOON_MS);
  try {
    const first = await Promise.race([once(holder.stdout, 'data'), ended]);
    if (!Buffer.isBuffer(first[0])) throw new Error(`cannot lock ${file}: ${said.trim()}`);
    clearTimeout(waiting);
    return await work();
  } finally {
    clearTimeout(waiting);
    holder.stdin.end();
    await ended;
  }
}
