// SPDX-License-Identifier: Apache-2.0
// The discovery documents: which groups, versions and resources there are, in the old form (one
// document per group and version) and in the aggregated one. All made from the table of resources.

import { apiVersionOf, RESOURCES, type Resource } from './resources.ts';

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
const SUBRESOURCE_VERBS = ['get', 'patch', 'update'];
const AGGREGATED = /g=apidiscovery\.k8s\.io;v=(v2(?:beta1)?);as=APIGroupDiscoveryList/;
const SCALE = { group: 'autoscaling', version: 'v1', kind: 'Scale' };

export interface Document {
  readonly body: object;
  readonly contentType?: string;
}

const groupOf = (apiVersion: string) => (apiVersion.includes('/') ? apiVersion.split('/')[0] : '');
const versions = [...new Set(RESOURCES.map(apiVersionOf))];
const groups = [...new Set(RESOURCES.map((entry) => entry.group))].filter((group) => group !== '');

/** @returns undefined when `path` is no discovery document. */
export function discover(path: string, accept: string): Document | undefined {
  const [, version] = AGGREGATED.exec(accept) ?? [];
  if (path === '/api') return version ? aggregated(version, ['']) : { body: coreVersions };
  if (path === '/apis') return version ? aggregated(version, groups) : { body: groupList };
  if (path === '/version') return { body: SERVER_VERSION };
  const apiVersion = path.replace(/^\/apis?\//, '');
  if (versions.includes(apiVersion)) return { body: resourceList(apiVersion) };
  if (path.startsWith('/apis/') && groups.includes(apiVersion)) {
    return { body: { kind: 'APIGroup', apiVersion: 'v1', ...groupEntry(apiVersion) } };
  }
  return undefined;
}

const SERVER_VERSION = {
  major: '1',
  minor: '36',
  gitVersion: 'v1.36.0-lab',
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '1970-01-01T00:00:00Z',
  goVersion: 'none',
  compiler: 'none',
  platform: 'linux/lab',
};

const coreVersions = { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] };
const groupList = { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.map(groupEntry) };

function groupEntry(name: string): object {
  const offered = versions
    .filter((apiVersion) => groupOf(apiVersion) === name)
    .map((groupVersion) => ({ groupVersion, version: groupVersion.split('/')[1] }));
  return { name, versions: offered, preferredVersion: offered[0] };
}

function resourceList(groupVersion: string): object {
  const resources = RESOURCES.filter((entry) => apiVersionOf(entry) === groupVersion);
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion,
    resources: resources.flatMap(({ plural: name, ...entry }) => [
      {
        name,
        singularName: entry.kind.toLowerCase(),
        namespaced: entry.namespaced,
        kind: entry.kind,
        verbs: VERBS,
        shortNames: entry.shortNames,
        categories: entry.categories,
      },
      ...entry.subresources.map((subresource) => ({
        name: `${name}/${subresource}`,
        singularName: '',
        namespaced: entry.namespaced,
        verbs: SUBRESOURCE_VERBS,
        ...(subresource === 'scale' ? SCALE : { kind: entry.kind }),
      })),
    ]),
  };
}

function aggregated(version: string, names: readonly string[]): Document {
  const items = names.map((name) => ({
    metadata: { name, creationTimestamp: null },
    versions: versions
      .filter((apiVersion) => groupOf(apiVersion) === name)
      .map((apiVersion) => ({
        version: apiVersion.split('/').at(-1),
        freshness: 'Current',
        resources: RESOURCES.filter((entry) => apiVersionOf(entry) === apiVersion).map(
          aggregatedResource,
        ),
      })),
  }));
  return {
    body: {
      kind: 'APIGroupDiscoveryList',
      apiVersion: `apidiscovery.k8s.io/${version}`,
      metadata: {},
      items,
    },
    contentType: `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`,
  };
}

function aggregatedResource({ group, version, kind, ...entry }: Resource): object {
  const responseKind = { group, version, kind };
  return {
    resource: entry.plural,
    responseKind,
    scope: entry.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: kind.toLowerCase(),
    verbs: VERBS,
    shortNames: entry.shortNames,
    categories: entry.categories,
    subresources: entry.subresources.map((subresource) => ({
      subresource,
      responseKind: subresource === 'scale' ? SCALE : responseKind,
      verbs: SUBRESOURCE_VERBS,
    })),
  };
}
