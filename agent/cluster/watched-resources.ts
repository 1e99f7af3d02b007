// SPDX-License-Identifier: Apache-2.0
// The two kinds of objects that the agent reads: where the API server has them, which of them it
// need not send (semantics 1.1), and how one goes into the sink. Used by both sources.

import type { ObjectSink, WatchedKind } from '../model/cluster-state.ts';
import type { ObjectKey } from '../model/objects.ts';
import { HEADLESS_LABEL, parseEndpointSlice } from './endpoint-slice.ts';
import { parseService, SERVICE_PROXY_NAME_LABEL } from './service.ts';

export interface WatchedResource {
  readonly kind: WatchedKind;
  readonly apiVersion: string;
  /** Of the collection over all namespaces, on the API server. */
  readonly path: string;
  /** Query parameters. They only spare traffic: the parsers apply the same rules. */
  readonly selectors: Readonly<Record<string, string>>;
  /** Reads an object and hands on the step that puts it into a sink. Never throws. */
  parse(json: unknown): Deliver;
}

/** Puts one parsed object into the sink, under its key. */
export type Deliver = (sink: ObjectSink, key: ObjectKey) => void;

export const SERVICES: WatchedResource = {
  kind: 'Service',
  apiVersion: 'v1',
  path: '/api/v1/services',
  selectors: {
    labelSelector: `!${SERVICE_PROXY_NAME_LABEL}`,
    fieldSelector: 'spec.clusterIP!=None',
  },
  parse(json) {
    const parsed = parseService(json);
    return (sink, key) => sink.upsertService(key, parsed);
  },
};

export const ENDPOINT_SLICES: WatchedResource = {
  kind: 'EndpointSlice',
  apiVersion: 'discovery.k8s.io/v1',
  path: '/apis/discovery.k8s.io/v1/endpointslices',
  selectors: { labelSelector: `!${HEADLESS_LABEL}` },
  parse(json) {
    const parsed = parseEndpointSlice(json);
    return (sink, key) => sink.upsertEndpointSlice(key, parsed);
  },
};

export const WATCHED_RESOURCES: readonly WatchedResource[] = [SERVICES, ENDPOINT_SLICES];
