// SPDX-License-Identifier: Apache-2.0
// Access to the API server with the service account that a pod is given. Used by api-server-source.ts.

import { accessSync, constants } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EnvironmentError, messageOf } from '../errors.ts';
import { type ApiAccess, bearerFromFile, parseServerUrl } from './api-access.ts';

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * @param folder of the service account's files.
 * @throws EnvironmentError outside a cluster.
 */
export function loadInCluster(
  environment: NodeJS.ProcessEnv = process.env,
  folder = SERVICE_ACCOUNT,
): ApiAccess {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = environment;
  if (!host || !port) {
    throw new EnvironmentError(
      'no API server: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set',
      { hint: 'outside a pod, give --kubeconfig FILE or --manifests DIR' },
    );
  }
  const tokenFile = join(folder, 'token');
  const caFile = join(folder, 'ca.crt');
  for (const file of [tokenFile, caFile]) {
    try {
      accessSync(file, constants.R_OK);
    } catch (error) {
      throw new EnvironmentError(`cannot read the service account: ${messageOf(error)}`, {
        hint: 'let the pod mount its service account (automountServiceAccountToken)',
        cause: error,
      });
    }
  }
  const authority = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return {
    server: parseServerUrl(`https://${authority}`, 'KUBERNETES_SERVICE_HOST'),
    async credentials() {
      return { headers: await bearerFromFile(tokenFile), tls: { ca: await readFile(caFile) } };
    },
    forget() {},
  };
}
