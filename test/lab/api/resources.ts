// SPDX-License-Identifier: Apache-2.0
// The kinds that the lab's API server knows: the one table behind routes, discovery and scopes.

/** One resource of one group and version, as discovery describes it. */
export interface Resource {
  /** '' for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly subresources: readonly Subresource[];
}

export type Subresource = 'status' | 'scale';

type Extras = Partial<Pick<Resource, 'shortNames' | 'categories' | 'subresources'>> & {
  readonly clusterScoped?: boolean;
};

function resource(apiVersion: string, kind: string, plural: string, extras: Extras = {}): Resource {
  const [version = '', group = ''] = apiVersion.split('/').reverse();
  return {
    group,
    version,
    kind,
    plural,
    namespaced: !extras.clusterScoped,
    shortNames: extras.shortNames ?? [],
    categories: extras.categories ?? [],
    subresources: extras.subresources ?? [],
  };
}

const workload = { categories: ['all'], subresources: ['status', 'scale'] } as const;

export const RESOURCES: readonly Resource[] = [
  resource('v1', 'Namespace', 'namespaces', {
    clusterScoped: true,
    shortNames: ['ns'],
    subresources: ['status'],
  }),
  resource('v1', 'Node', 'nodes', {
    clusterScoped: true,
    shortNames: ['no'],
    subresources: ['status'],
  }),
  resource('v1', 'Pod', 'pods', {
    shortNames: ['po'],
    categories: ['all'],
    subresources: ['status'],
  }),
  resource('v1', 'Service', 'services', {
    shortNames: ['svc'],
    categories: ['all'],
    subresources: ['status'],
  }),
  resource('v1', 'ServiceAccount', 'serviceaccounts', { shortNames: ['sa'] }),
  resource('v1', 'ConfigMap', 'configmaps', { shortNames: ['cm'] }),
  resource('v1', 'Secret', 'secrets'),
  resource('v1', 'Event', 'events', { shortNames: ['ev'] }),
  resource('events.k8s.io/v1', 'Event', 'events', { shortNames: ['ev'] }),
  resource('discovery.k8s.io/v1', 'EndpointSlice', 'endpointslices'),
  resource('networking.k8s.io/v1', 'ServiceCIDR', 'servicecidrs', {
    clusterScoped: true,
    subresources: ['status'],
  }),
  resource('apps/v1', 'Deployment', 'deployments', { shortNames: ['deploy'], ...workload }),
  resource('apps/v1', 'ReplicaSet', 'replicasets', { shortNames: ['rs'], ...workload }),
  resource('apps/v1', 'StatefulSet', 'statefulsets', { shortNames: ['sts'], ...workload }),
  resource('apps/v1', 'DaemonSet', 'daemonsets', {
    shortNames: ['ds'],
    categories: ['all'],
    subresources: ['status'],
  }),
  resource('coordination.k8s.io/v1', 'Lease', 'leases'),
];

const byKind = new Map(RESOURCES.map((entry) => [entry.kind, entry]));

/** @returns false only for kinds known to live outside namespaces. */
export function isNamespaced(kind: string): boolean {
  return byKind.get(kind)?.namespaced ?? true;
}

/** The lower-case plural that error messages and paths use. */
export function pluralOf(kind: string): string {
  return byKind.get(kind)?.plural ?? `${kind.toLowerCase()}s`;
}

/** `group/version`, or `v1` alone for the core group. */
export function apiVersionOf(entry: Resource): string {
  return entry.group === '' ? entry.version : `${entry.group}/${entry.version}`;
}

export function findResource(group: string, version: string, plural: string): Resource | undefined {
  return RESOURCES.find(
    (entry) => entry.group === group && entry.version === version && entry.plural === plural,
  );
}
