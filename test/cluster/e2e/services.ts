// SPDX-License-Identifier: Apache-2.0
// Services of the end-to-end tests, and their endpoints as Kubernetes sees them.

import type { V1Service, V1ServicePort, V1ServiceSpec } from '@kubernetes/client-node';
import type { Api } from './api.ts';
import { eventually, NotYet } from './eventually.ts';
import type { Target } from './pod/wire.ts';

export type Family = 4 | 6;
export type Protocol = Target['protocol'];

export const FAMILIES: readonly Family[] = [4, 6];
export const PROTOCOLS: readonly Protocol[] = ['tcp', 'udp'];

export interface ServiceOrder {
  readonly name: string;
  readonly namespace: string;
  readonly spec?: V1ServiceSpec;
}

/** One number for TCP and UDP, by the names of the containers' ports. */
export const MAIN_PORTS: V1ServicePort[] = [
  { name: 'main', port: 80, protocol: 'TCP', targetPort: 'main' },
  { name: 'main-udp', port: 80, protocol: 'UDP', targetPort: 'main-udp' },
];

/** Of both families and with MAIN_PORTS, unless the order says otherwise. */
export function makeService({ core }: Api, order: ServiceOrder): Promise<V1Service> {
  const { name, namespace, spec } = order;
  const isNamed = spec?.type === 'ExternalName';
  const body: V1Service = {
    metadata: { name },
    spec: {
      ...(isNamed ? {} : { ipFamilyPolicy: 'RequireDualStack' }),
      ports: MAIN_PORTS,
      ...spec,
    },
  };
  return core.createNamespacedService({ namespace, body });
}

/** Changes some fields of the spec; undefined takes one away. */
export async function changeService(
  { core }: Api,
  { name, namespace }: ServiceOrder,
  change: V1ServiceSpec,
  labels?: Readonly<Record<string, string>>,
): Promise<V1Service> {
  return await eventually(`Service ${name} is changed`, async () => {
    const body = await core.readNamespacedService({ name, namespace });
    body.spec = { ...body.spec, ...change };
    if (labels) body.metadata = { ...body.metadata, labels: { ...labels } };
    // Of somebody else's change in between one hears as a conflict, and begins again.
    return await core.replaceNamespacedService({ name, namespace, body });
  });
}

/** What a cloud controller does. */
export async function giveAddresses(
  { core }: Api,
  { name, namespace }: ServiceOrder,
  ips: readonly string[],
  ipMode = 'VIP',
): Promise<void> {
  await eventually(`Service ${name} has its load-balancer addresses`, async () => {
    const body = await core.readNamespacedService({ name, namespace });
    body.status = { loadBalancer: { ingress: ips.map((ip) => ({ ip, ipMode })) } };
    return await core.replaceNamespacedServiceStatus({ name, namespace, body });
  });
}

export function clusterIp({ metadata, spec }: V1Service, family: Family): string {
  const found = spec?.clusterIPs?.find((ip) => ip.includes(':') === (family === 6));
  if (!found) throw new Error(`Service ${metadata?.name} has no IPv${family} clusterIP`);
  return found;
}

export function nodePort({ metadata, spec }: V1Service, protocol: Protocol): number {
  const port = spec?.ports?.find((one) => one.protocol?.toLowerCase() === protocol)?.nodePort;
  if (!port) throw new Error(`Service ${metadata?.name} has no nodePort for ${protocol}`);
  return port;
}

/** Waits until the slices have these pods as ready, for each family of the Service, and no others. */
export async function endpointsAre(
  { discovery }: Api,
  service: V1Service,
  pods: readonly string[],
): Promise<void> {
  const { name = '', namespace = '' } = service.metadata ?? {};
  const labelSelector = `kubernetes.io/service-name=${name}`;
  const wanted = [...pods].sort().join();
  await eventually(`the ready endpoints of ${name} are ${wanted || 'none'}`, async () => {
    const { items } = await discovery.listNamespacedEndpointSlice({ namespace, labelSelector });
    const families = service.spec?.ipFamilies ?? [];
    const found = families.map((family) => {
      const endpoints = items
        .filter(({ addressType }) => addressType === family)
        .flatMap((slice) => slice.endpoints ?? [])
        .filter(({ conditions }) => conditions?.ready !== false);
      return [...new Set(endpoints.map(({ targetRef }) => targetRef?.name ?? ''))].sort().join();
    });
    return found.every((names) => names === wanted) ? undefined : new NotYet(items);
  });
}
