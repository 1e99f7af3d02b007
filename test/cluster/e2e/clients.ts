// SPDX-License-Identifier: Apache-2.0
// Who dials in the end-to-end tests: a pod on each worker, a pod on the network of each machine, and one outside of the
// cluster (outsider.ts). run.ts makes them once and takes them away; each file of tests finds them.

import { controlPlaneOf, type Inventory, workersOf } from '../inventory.ts';
import { type Api, ifThere, isStatus } from './api.ts';
import { eventually, NotYet } from './eventually.ts';
import { Outsider } from './outsider.ts';
import { PodControl } from './pod-control.ts';
import { isReady, makePods, type PodOrder, podThat } from './pods.ts';

export const CLIENTS_NAMESPACE = 'signalbox-e2e-clients';

export interface Clients {
  /** By the name of the node. */
  readonly pods: ReadonlyMap<string, PodControl>;
  readonly hosts: ReadonlyMap<string, PodControl>;
  readonly outsider: Outsider;
  close(): void;
}

function orders(inventory: Inventory, image: string): PodOrder[] {
  const namespace = CLIENTS_NAMESPACE;
  const order = (name: string, node: string, more: Partial<PodOrder> = {}) => {
    return { name, namespace, node, image, ...more };
  };
  return [
    ...workersOf(inventory).map(({ name }) => order(`pod-${name}`, name)),
    ...inventory.machines.map(({ name }) => order(`host-${name}`, name, { hostNetwork: true })),
    order('outsider', controlPlaneOf(inventory).name, { capabilities: ['NET_ADMIN'] }),
  ];
}

/** Those that a run before has left are replaced: the program may be another one by now. */
export async function makeClients(api: Api, inventory: Inventory, image: string): Promise<void> {
  await removeNamespace(api, CLIENTS_NAMESPACE);
  await makeNamespace(api, CLIENTS_NAMESPACE);
  await makePods(api, orders(inventory, image));
  const pod = await openPod(api, inventory, 'outsider');
  try {
    await Outsider.join(inventory, pod);
  } finally {
    pod.close();
  }
}

export async function openClients(api: Api, inventory: Inventory): Promise<Clients> {
  const open = async (prefix: string, names: readonly string[]) => {
    const pods = names.map((name) => openPod(api, inventory, `${prefix}-${name}`));
    return new Map((await Promise.all(pods)).map((pod) => [pod.node, pod]));
  };
  const names = inventory.machines.map(({ name }) => name);
  const pods = await open(
    'pod',
    workersOf(inventory).map(({ name }) => name),
  );
  const hosts = await open('host', names);
  const outsider = await Outsider.open(inventory, await openPod(api, inventory, 'outsider'));
  return {
    pods,
    hosts,
    outsider,
    close() {
      for (const pod of [...pods.values(), ...hosts.values(), outsider.pod]) pod.close();
    },
  };
}

async function openPod(api: Api, inventory: Inventory, name: string): Promise<PodControl> {
  const pod = await podThat(api, { name, namespace: CLIENTS_NAMESPACE }, isReady);
  return await PodControl.open(pod, inventory);
}

export async function makeNamespace({ core }: Api, name: string): Promise<void> {
  // Agents run privileged elsewhere; here one pod may change its own network.
  const labels = { 'pod-security.kubernetes.io/enforce': 'privileged' };
  await core.createNamespace({ body: { metadata: { name, labels } } });
  // Made by a controller, and no pod is admitted before.
  await eventually(`${name} has its service account`, async () => {
    await core.readNamespacedServiceAccount({ name: 'default', namespace: name });
  });
}

/** With all that is in it. Waits until it is gone. */
export async function removeNamespace({ core }: Api, name: string): Promise<void> {
  const deletion = core.deleteNamespace({ name }).catch((error: unknown) => {
    // It is going already.
    if (!isStatus(error, 409)) throw error;
    return true;
  });
  if (!(await ifThere<unknown>(deletion))) return;
  await eventually(`the namespace ${name} is gone`, async () => {
    // A pod that goes on serving when it is told to end is not waited for.
    await core.deleteCollectionNamespacedPod({ namespace: name, gracePeriodSeconds: 0 });
    return (await ifThere(core.readNamespace({ name }))) ? new NotYet('it is there') : undefined;
  });
}
