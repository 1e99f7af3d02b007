// SPDX-License-Identifier: Apache-2.0
// How a kubeconfig's user proves who it is, and how the server does: certificates, tokens, passwords,
// exec plugins. Used by kubeconfig.ts. Files are read again for every request, so that they may rotate.

import { accessSync, constants } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Cluster, User } from '@kubernetes/client-node/dist/config_types.js';
import { EnvironmentError, messageOf } from '../errors.ts';
import {
  type ApiAccess,
  basicAuthorization,
  bearerFromFile,
  type Credentials,
} from './api-access.ts';
import { createExecPlugin, type ExecPlugin } from './exec-plugin.ts';

export interface UserCredentialsOptions {
  /** The kubeconfig; relative paths in it start from its folder. */
  readonly file: string;
  readonly cluster: Cluster;
  /** Undefined: anonymous. */
  readonly user: User | undefined;
  readonly tokenFile: string | undefined;
}

/** @throws EnvironmentError when a file is missing, or the user needs what this agent does not have. */
export function createUserCredentials(
  options: UserCredentialsOptions,
): Pick<ApiAccess, 'credentials' | 'forget'> {
  const { file, cluster, user } = options;
  const folder = dirname(file);
  const path = (name: string | undefined) => (name ? resolve(folder, name) : undefined);
  const plugin = user && execPlugin(file, user);
  const ofProvider: unknown = user?.authProvider?.config?.tokenFile;
  const tokenFile = path(
    options.tokenFile ?? (typeof ofProvider === 'string' ? ofProvider : undefined),
  );
  const caFile = path(cluster.caFile);
  const certFile = path(user?.certFile);
  const keyFile = path(user?.keyFile);
  for (const needed of [caFile, certFile, keyFile, tokenFile]) checkReadable(file, needed);

  return {
    async credentials() {
      const fromPlugin = await plugin?.credentials();
      const ca = await pem(cluster.caData, caFile);
      const cert = fromPlugin?.tls.cert ?? (await pem(user?.certData, certFile));
      const key = fromPlugin?.tls.key ?? (await pem(user?.keyData, keyFile));
      return {
        headers: {
          ...(user?.impersonateUser ? { 'Impersonate-User': user.impersonateUser } : {}),
          ...(user && staticHeader(user)),
          ...(tokenFile ? await bearerFromFile(tokenFile) : {}),
          ...fromPlugin?.headers,
        },
        tls: {
          ...(ca && { ca }),
          ...(cert && { cert }),
          ...(key && { key }),
          ...(cluster.tlsServerName && { servername: cluster.tlsServerName }),
          ...(cluster.skipTLSVerify && { rejectUnauthorized: false }),
        },
      } satisfies Credentials;
    },
    forget() {
      plugin?.forget();
    },
  };
}

function staticHeader({ token, username, password }: User): Record<string, string> {
  if (token) return { Authorization: `Bearer ${token}` };
  if (!username) return {};
  return { Authorization: basicAuthorization(`${username}:${password ?? ''}`) };
}

async function pem(data: string | undefined, file: string | undefined) {
  if (data) return Buffer.from(data, 'base64');
  return file ? await readFile(file) : undefined;
}

function execPlugin(file: string, user: User): ExecPlugin | undefined {
  const { authProvider } = user;
  const exec = user.exec ?? authProvider?.config?.exec;
  if (exec) return createExecPlugin(file, user.name, exec);
  if (!authProvider || authProvider.config?.tokenFile) return undefined;
  throw new EnvironmentError(
    `kubeconfig ${file}: user ${JSON.stringify(user.name)}: ` +
      `auth-provider ${JSON.stringify(authProvider.name)} is not supported`,
    { hint: 'use an exec plugin (users[].user.exec), which has replaced auth-provider' },
  );
}

function checkReadable(kubeconfig: string, file: string | undefined): void {
  if (file === undefined) return;
  try {
    accessSync(file, constants.R_OK);
  } catch (error) {
    throw new EnvironmentError(`kubeconfig ${kubeconfig}: ${messageOf(error)}`, {
      hint: 'relative paths start from the folder of the kubeconfig',
      cause: error,
    });
  }
}
