// SPDX-License-Identifier: Apache-2.0
// One Service for a test to change and to delete, beside those that its node has anyway.

import { programmed } from './kernel-backends.ts';
import { kubeService, targetAt } from './kube-service.ts';
import type { TestNode } from './test-node.ts';

/** Its clusterIP; its port is 80. */
export const MOVING = '10.96.0.5';

/** Gives it these backends, and itself when it is not there. @returns once that is in force. */
export async function moveService(
  node: TestNode,
  protocol: 'TCP' | 'UDP',
  backends: readonly string[],
): Promise<void> {
  node.write('moving', kubeService('moving', [MOVING], [{ protocol, port: 80, backends }]));
  await programmed(node, `${MOVING}:80/${protocol}`, backends.map(targetAt));
}

/** @returns once it is gone from the kernel. */
export async function removeService(node: TestNode, protocol: 'TCP' | 'UDP'): Promise<void> {
  node.remove('moving');
  await programmed(node, `${MOVING}:80/${protocol}`, undefined);
}
