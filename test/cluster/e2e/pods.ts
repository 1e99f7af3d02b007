// SPDX-License-Identifier: Apache-2.0
// Pods of the end-to-end tests: bare ones on a node by its name, with the image that the nodes have and pod/main.ts in it.

import type { V1Pod } from '@kubernetes/client-node';
import type { Api } from './api.ts';
import { eventually, NotYet } from './eventually.ts';
import { podProgram } from './program-text.ts';

/** Served by every server, TCP and UDP. */
export const SERVER_PORTS = { main: 8080, second: 8081 } as const;
const CONTROL_PORT = 9090;
/** Of pods on their node's network, which must not meet what else is there. */
const HOST_CONTROL_PORT = 29_090;

export interface PodOrder {
  readonly name: string;
  readonly namespace: string;
  readonly node: string;
  readonly image: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Serves SERVER_PORTS. */
  readonly isServer?: boolean;
  readonly hostNetwork?: boolean;
  /** Otherwise not before it is told so. */
  readonly isReady?: boolean;
  /** Goes on serving when it is told to end, for so long; otherwise it ends at once. */
  readonly lingersS?: number;
  readonly capabilities?: readonly string[];
}

/** Where a pod listens for orders, as its own node reaches it. */
export function controlAddress({ spec, status }: V1Pod): { host: string; port: number } {
  return spec?.hostNetwork
    ? { host: '127.0.0.1', port: HOST_CONTROL_PORT }
    : { host: status?.podIP ?? '', port: CONTROL_PORT };
}

export function podManifest(order: PodOrder): V1Pod {
  const { name, namespace, node, image, labels = {}, hostNetwork = false } = order;
  const control = hostNetwork ? HOST_CONTROL_PORT : CONTROL_PORT;
  const env = {
    NAME: name,
    NODE: node,
    PORTS: order.isServer ? Object.values(SERVER_PORTS).join() : '',
    CONTROL_HOST: hostNetwork ? '127.0.0.1' : '::',
    CONTROL_PORT: `${control}`,
    READY: order.isReady === false ? 'no' : 'yes',
    ON_TERM: order.lingersS === undefined ? 'end' : 'serve',
    // The compiled code that the image holds is that of the agent.
    NODE_COMPILE_CACHE: '',
  };
  const ports = Object.entries(order.isServer ? SERVER_PORTS : {}).flatMap(([port, number]) => [
    { name: port, containerPort: number, protocol: 'TCP' },
    { name: `${port}-udp`, containerPort: number, protocol: 'UDP' },
  ]);
  return {
    metadata: { name, namespace, labels: { ...labels } },
    spec: {
      nodeName: node,
      hostNetwork,
      // Also where its node is tainted, and when that is cut off: who runs where is the tests' business.
      tolerations: [{ operator: 'Exists' }],
      enableServiceLinks: false,
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: order.lingersS ?? 1,
      dnsPolicy: 'Default',
      containers: [
        {
          name: 'program',
          image,
          imagePullPolicy: 'Never',
          command: ['/usr/bin/node', '--input-type=module', '-e', podProgram()],
          env: Object.entries(env).map(([key, value]) => ({ name: key, value })),
          ports,
          readinessProbe: {
            httpGet: { path: '/ready', port: control, ...(hostNetwork && { host: '127.0.0.1' }) },
            periodSeconds: 1,
            timeoutSeconds: 20,
            failureThreshold: 2,
          },
          securityContext: { capabilities: { add: [...(order.capabilities ?? [])] } },
        },
      ],
    },
  };
}

/** Makes those that are not there, and waits until they run and are as ready as they were meant to be. */
export async function makePods(api: Api, orders: readonly PodOrder[]): Promise<V1Pod[]> {
  for (const order of orders) {
    const { namespace } = order;
    await api.core.createNamespacedPod({ namespace, body: podManifest(order) });
  }
  return await Promise.all(
    orders.map((order) => podThat(api, order, order.isReady === false ? isRunning : isReady)),
  );
}

type Place = Pick<PodOrder, 'name' | 'namespace'>;

/** Waits for it. */
export async function podThat(
  { core }: Api,
  { name, namespace }: Place,
  is: (pod: V1Pod) => boolean,
): Promise<V1Pod> {
  return await eventually(`pod ${namespace}/${name} ${is.name}`, async () => {
    const pod = await core.readNamespacedPod({ name, namespace });
    return is(pod) ? pod : new NotYet(pod.status);
  });
}

export function isReady({ status }: V1Pod): boolean {
  const conditions = status?.conditions ?? [];
  return conditions.some((one) => one.type === 'Ready' && one.status === 'True');
}

function isRunning({ status }: V1Pod): boolean {
  return status?.phase === 'Running';
}
