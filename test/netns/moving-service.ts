// SPDX-License-Identifier: Apache-2.0
// One Service for a test to change and to delete, beside those that its node has anyway.

import { programmed } from './kernel-backends.ts';
import { kubeService, type PortSketch, type ServiceFields, targetAt } from './kube-service.ts';
import type { TestNode } from './test-node.ts';

/** Its clusterIP; its port is 80. */
export const MOVING = '10.96.0.5';

interface MoveOptions extends Pick<ServiceFields, 'spec'> {
  readonly eligible?: PortSketch['backends'];
}

/**
 * Gives it these backends, and itself when it is not there.
 *
 * @param eligible those of them that are to be in the list that counts; default: all.
 * @returns once that is in force.
 */
export async function moveService(
  node: TestNode,
  protocol: 'TCP' | 'UDP',
  backends: PortSketch['backends'],
  { eligible = backends, spec }: MoveOptions = {},
): Promise<void> {
  const ports = [{ protocol, port: 80, backends }];
  node.write('moving', kubeService('moving', [MOVING], ports, { ...(spec && { spec }) }));
  const targets = eligible.map((each) => targetAt(typeof each === 'string' ? each : each.address));
  await programmed(node, `${MOVING}:80/${protocol}`, targets);
}

/** @returns once it is gone from the kernel. */
export async function removeService(node: TestNode, protocol: 'TCP' | 'UDP'): Promise<void> {
  node.remove('moving');
  await programmed(node, `${MOVING}:80/${protocol}`, undefined);
}
