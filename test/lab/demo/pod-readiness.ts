// SPDX-License-Identifier: Apache-2.0
// Makes the readiness probe of a pod fail or succeed, as the program in it would decide.

import { containerOf, isReady, readinessUrl } from '../pod-object.ts';
import { until } from '../until.ts';
import { NAMESPACE, type Scene } from './scene.ts';
import { showWaiting } from './screen.ts';

/** @returns once the kubelet has noticed. */
export async function setReady(scene: Scene, name: string, ready: boolean): Promise<void> {
  const { lab } = scene;
  const current = () => lab.store.get('Pod', NAMESPACE, name);
  const pod = current();
  if (!pod) throw new Error(`there is no pod ${name}`);
  const { node, addresses } = lab.pod(name, NAMESPACE);
  const url = readinessUrl(containerOf(pod), addresses) ?? '';
  const method = ready ? 'PUT' : 'DELETE';
  scene.action(
    `${name} on ${node.name}: its readiness probe ${ready ? 'succeeds again' : 'fails'}  (${method} ${url})`,
  );
  await lab.request(url, method);
  const turned = until(`${name} turned`, () => {
    const now = current();
    return now !== undefined && isReady(now) === ready;
  });
  await showWaiting(`the kubelet probes ${name}`, turned);
}
