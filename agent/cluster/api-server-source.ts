// SPDX-License-Identifier: Apache-2.0
// Objects from the API server. Built by the agent and by `explain`; one reflector per watched kind.

import type { Logger } from '../telemetry/log.ts';
import { type ApiAccess, parseServerUrl, withHiddenPassword } from './api-access.ts';
import { type ApiClient, type ApiObserver, createApiClient } from './api-client.ts';
import { loadInCluster } from './in-cluster.ts';
import { loadKubeconfig } from './kubeconfig.ts';
import type { ObjectSource } from './object-source.ts';
import type { PaceOptions } from './pace.ts';
import { createReflector } from './reflector.ts';
import { watchedResources } from './watched-resources.ts';

export interface ApiServerSourceOptions {
  /** Path of a kubeconfig; without it, and without `master`, the pod's service account. */
  readonly kubeconfig?: string;
  /** URL of the API server, in place of the one in the kubeconfig. */
  readonly master?: string;
  /** How often the client writes. */
  readonly writes?: PaceOptions;
  /** metadata.name of the Node object of this node. */
  readonly nodeName: string;
  readonly log: Logger;
  readonly observer?: ApiObserver | undefined;
}

/** Its client serves also whoever has to write. */
export interface ApiServerSource extends ObjectSource {
  readonly client: ApiClient;
}

/** @throws EnvironmentError when there is no usable way to the API server. Nothing is sent yet. */
export function createApiServerSource(options: ApiServerSourceOptions): ApiServerSource {
  const { nodeName, log, observer, writes } = options;
  const client = createApiClient({
    access: withHiddenPassword(loadAccess(options)),
    observer,
    writes,
  });
  const reflectors = watchedResources(nodeName).map((resource) =>
    createReflector({ resource, client, log }),
  );
  return {
    client,
    description: `API server ${client.server}`,
    get watches() {
      return reflectors.map(({ state }) => state);
    },
    start(sink, signal) {
      for (const reflector of reflectors) void reflector.run(sink, signal);
      signal.addEventListener('abort', () => client.close());
    },
  };
}

function loadAccess({ kubeconfig, master }: ApiServerSourceOptions): ApiAccess {
  const server = master ? parseServerUrl(master, '--master') : undefined;
  if (!kubeconfig && server) {
    return { server, credentials: async () => ({ headers: {}, tls: {} }), forget() {} };
  }
  const access = kubeconfig ? loadKubeconfig(kubeconfig) : loadInCluster();
  return server ? { ...access, server } : access;
}
