// SPDX-License-Identifier: Apache-2.0
// Keeps ClusterRecords in step with the API server, through the agent's own reflectors: all Services
// and EndpointSlices, headless and ExternalName ones too, which the agent itself leaves out.

import { createApiClient } from '../../../agent/cluster/api-client.ts';
import { loadKubeconfig } from '../../../agent/cluster/kubeconfig.ts';
import { createReflector } from '../../../agent/cluster/reflector.ts';
import type { WatchedResource } from '../../../agent/cluster/watched-resources.ts';
import type { ObjectSink } from '../../../agent/model/cluster-state.ts';
import type { Logger } from '../../../agent/telemetry/log.ts';
import type { KubeObject } from '../kube-object.ts';
import type { ClusterRecords, RecordKind } from './cluster-records.ts';

export interface WatchRecordsOptions {
  readonly records: ClusterRecords;
  /** Path of the kubeconfig. */
  readonly kubeconfig: string;
  readonly log: Logger;
  /** Ends the watches. */
  readonly signal: AbortSignal;
}

/** @returns resolves once everything has been listed; rejects never, the watches go on by themselves. */
export function watchRecords({
  records,
  kubeconfig,
  log,
  signal,
}: WatchRecordsOptions): Promise<void> {
  const client = createApiClient({ access: loadKubeconfig(kubeconfig) });
  signal.addEventListener('abort', () => client.close());
  const resources = [
    resourceOf('Service', 'v1', '/api/v1/services', records),
    resourceOf(
      'EndpointSlice',
      'discovery.k8s.io/v1',
      '/apis/discovery.k8s.io/v1/endpointslices',
      records,
    ),
  ];
  return new Promise((resolve) => {
    const unlisted = new Set<string>(resources.map(({ kind }) => kind));
    const sink: ObjectSink = {
      // Objects go into the records as they are, in `parse`.
      upsertService() {},
      upsertEndpointSlice() {},
      upsertNode() {},
      upsertServiceCidr() {},
      noteManifest() {},
      unavailable() {},
      remove: (kind, key) => records.remove(kind as RecordKind, key),
      listed(kind, present) {
        for (const key of records.keys(kind as RecordKind)) {
          if (!present.has(key)) records.remove(kind as RecordKind, key);
        }
        unlisted.delete(kind);
        if (unlisted.size === 0) resolve();
      },
    };
    for (const resource of resources) {
      void createReflector({ resource, client, log }).run(sink, signal);
    }
  });
}

function resourceOf(
  kind: RecordKind,
  apiVersion: string,
  path: string,
  records: ClusterRecords,
): WatchedResource {
  return {
    kind,
    apiVersion,
    scope: 'Namespaced',
    path,
    selectors: {},
    isOptional: false,
    // Items of a list need not say their kind.
    parse: (json) => () => records.set({ ...(json as KubeObject), kind, apiVersion }),
  };
}
