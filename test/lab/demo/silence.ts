// SPDX-License-Identifier: Apache-2.0
// What a client outside meets where its packets are dropped: nothing at all, for as long as it waits.

import { formatHostPort } from '../host-port.ts';
import type { Scene } from './scene.ts';
import { showWaiting } from './screen.ts';

/** Long enough for a refusal, or for an answer that comes by a detour. */
export const SILENCE_MS = 600;

export async function expectSilence(
  scene: Scene,
  outsider: 1 | 2,
  { host, port = 80 }: { readonly host: string; readonly port?: number },
): Promise<void> {
  const { name, client } = scene.outsider(outsider);
  scene.action(`${name}: connect to ${formatHostPort(host, port)}`);
  const attempt = client.call('connect', { host, port, timeoutMs: SILENCE_MS });
  const { errno } = await showWaiting('nothing comes back', attempt);
  const isSilent = errno === 'ETIMEDOUT';
  scene.expect(
    isSilent,
    isSilent ? `no answer within ${SILENCE_MS} ms` : (errno ?? 'it is connected'),
  );
}
