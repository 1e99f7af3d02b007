// SPDX-License-Identifier: Apache-2.0
// Objects from the API server. Built by main.ts; one reflector per watched kind.

import type { Logger } from '../telemetry/log.ts';
import { type ApiAccess, parseServerUrl } from './api-access.ts';
import { createApiClient } from './api-client.ts';
import { loadInCluster } from './in-cluster.ts';
import { loadKubeconfig } from './kubeconfig.ts';
import type { ObjectSource } from './object-source.ts';
import { createReflector } from './reflector.ts';
import { WATCHED_RESOURCES } from './watched-resources.ts';

export interface ApiServerSourceOptions {
  /** Path of a kubeconfig; without it, and without `master`, the pod's service account. */
  readonly kubeconfig?: string;
  /** URL of the API server, in place of the one in the kubeconfig. */
  readonly master?: string;
  readonly log: Logger;
}

/** @throws EnvironmentError when there is no usable way to the API server. Nothing is sent yet. */
export function createApiServerSource(options: ApiServerSourceOptions): ObjectSource {
  const { log } = options;
  const client = createApiClient({ access: loadAccess(options) });
  const reflectors = WATCHED_RESOURCES.map((resource) =>
    createReflector({ resource, client, log }),
  );
  return {
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
