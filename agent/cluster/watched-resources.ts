// SPDX-License-Identifier: Apache-2.0
// The kinds of objects that the agent reads: where the API server has them, which of them it need not
// send (semantics 1.1), and how one goes into the sink. Used by both sources.

import type { ObjectSink, WatchedKind } from '../model/cluster-state.ts';
import type { ObjectKey } from '../model/objects.ts';
import { HEADLESS_LABEL, parseEndpointSlice } from './endpoint-slice.ts';
import { parseNode } from './node.ts';
import type { Scope } from './object-metadata.ts';
import { guarded } from './parsed-object.ts';
import { parseService } from './service.ts';
import { parseServiceCidr } from './service-cidr.ts';

export interface WatchedResource {
  readonly kind: WatchedKind;
  readonly apiVersion: string;
  readonly scope: Scope;
  /** Of the collection, over all namespaces, on the API server. */
  readonly path: string;
  /** Query parameters. They only spare traffic: the parsers apply the same rules. */
  readonly selectors: Readonly<Record<string, string>>;
  /**
   * Whether the agent can do without: a server that does not know the kind, or does not show it, then has
   * none of it.
   */
  readonly isOptional: boolean;
  /** Reads an object and hands on the step that puts it into a sink. Never throws. */
  parse(json: unknown): Deliver;
}

/** Puts one parsed object into the sink, under its key: what `parseKey` says for the scope of its kind. */
export type Deliver = (sink: ObjectSink, key: string) => void;

export const SERVICES: WatchedResource = {
  kind: 'Service',
  apiVersion: 'v1',
  scope: 'Namespaced',
  path: '/api/v1/services',
  // Those that are left to another proxy too: their addresses are in a ServiceCIDR, and must be left alone.
  selectors: { fieldSelector: 'spec.clusterIP!=None' },
  isOptional: false,
  parse(json) {
    const parsed = guarded(parseService, json);
    return (sink, key) => sink.upsertService(key as ObjectKey, parsed);
  },
};

export const ENDPOINT_SLICES: WatchedResource = {
  kind: 'EndpointSlice',
  apiVersion: 'discovery.k8s.io/v1',
  scope: 'Namespaced',
  path: '/apis/discovery.k8s.io/v1/endpointslices',
  selectors: { labelSelector: `!${HEADLESS_LABEL}` },
  isOptional: false,
  parse(json) {
    const parsed = guarded(parseEndpointSlice, json);
    return (sink, key) => sink.upsertEndpointSlice(key as ObjectKey, parsed);
  },
};

/** Every Node; whoever delivers them sees to it that only this node's own goes into the sink. */
export const NODES: WatchedResource = {
  kind: 'Node',
  apiVersion: 'v1',
  scope: 'Cluster',
  path: '/api/v1/nodes',
  selectors: {},
  isOptional: true,
  parse(json) {
    const parsed = guarded(parseNode, json);
    return (sink, key) => sink.upsertNode(key, parsed);
  },
};

/** Clusters before 1.33 do not have the kind. */
export const SERVICE_CIDRS: WatchedResource = {
  kind: 'ServiceCIDR',
  apiVersion: 'networking.k8s.io/v1',
  scope: 'Cluster',
  path: '/apis/networking.k8s.io/v1/servicecidrs',
  selectors: {},
  isOptional: true,
  parse(json) {
    const parsed = guarded(parseServiceCidr, json);
    return (sink, key) => sink.upsertServiceCidr(key, parsed);
  },
};

/** In manifests. */
export const MANIFEST_RESOURCES: readonly WatchedResource[] = [
  SERVICES,
  ENDPOINT_SLICES,
  NODES,
  SERVICE_CIDRS,
];

/** On the API server, for the agent of one node: of the Nodes its own alone. */
export function watchedResources(nodeName: string): readonly WatchedResource[] {
  return [SERVICES, ENDPOINT_SLICES, ownNode(nodeName), SERVICE_CIDRS];
}

function ownNode(nodeName: string): WatchedResource {
  return {
    ...NODES,
    selectors: { fieldSelector: `metadata.name=${nodeName}` },
    parse(json) {
      const deliver = NODES.parse(json);
      return (sink, key) => {
        if (key === nodeName) deliver(sink, key);
      };
    },
  };
}
