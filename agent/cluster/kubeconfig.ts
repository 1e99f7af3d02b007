// SPDX-License-Identifier: Apache-2.0
// Access to the API server as a kubeconfig file describes it: the user and the cluster of its current
// context. Used by api-server-source.ts. Only single files of @kubernetes/client-node are imported:
// the whole package costs 85 MB of memory and half a second of start.

import { readFileSync } from 'node:fs';
import { newClusters, newContexts, newUsers } from '@kubernetes/client-node/dist/config_types.js';
import { EnvironmentError, messageOf } from '../errors.ts';
import { readYaml, repeatedKeyMessage } from '../yaml.ts';
import { type ApiAccess, parseServerUrl, withoutPassword } from './api-access.ts';
import { isObject, type JsonObject } from './json-fields.ts';
import { createUserCredentials } from './user-credentials.ts';

const HINT = 'check it with: kubectl --kubeconfig FILE config view';

/**
 * @param file path of the kubeconfig; relative paths in it start from its folder.
 * @throws EnvironmentError in one line, with the file's name, when it cannot be used as it stands.
 */
export function loadKubeconfig(file: string): ApiAccess {
  const config = readConfig(file);
  const contextName = config['current-context'];
  if (typeof contextName !== 'string' || contextName === '') {
    throw problem(file, 'has no current-context', 'choose one: kubectl config use-context NAME');
  }
  const context = find(file, config, 'context', contextName, newContexts).value;
  const cluster = find(file, config, 'cluster', context.cluster, newClusters).value;
  const user = context.user ? find(file, config, 'user', context.user, newUsers) : undefined;
  const { proxyUrl } = cluster;
  if (proxyUrl && !(/^https?:/.test(proxyUrl) && URL.canParse(proxyUrl))) {
    const shown = withoutPassword(proxyUrl);
    throw problem(file, `proxy-url ${shown} is not an HTTP proxy`, 'use an http: or https: URL');
  }
  const server = parseServerUrl(cluster.server, `kubeconfig ${file}: cluster ${cluster.name}`);
  const credentials = createUserCredentials({
    file,
    cluster,
    user: user?.value,
    tokenFile: user && tokenFile(user.raw),
  });
  return { server, ...(proxyUrl ? { proxyUrl } : {}), ...credentials };
}

function readConfig(file: string): JsonObject {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new EnvironmentError(`kubeconfig ${file}: ${messageOf(error)}`, {
      hint: 'give another file with --kubeconfig',
      cause: error,
    });
  }
  const [document, ...others] = readYaml(text);
  if (others.length > 0) throw problem(file, 'holds several YAML documents', HINT);
  if (document && 'unreadable' in document) throw problem(file, document.unreadable, HINT);
  const [repeated] = document?.repeatedKeys ?? [];
  if (repeated) throw problem(file, repeatedKeyMessage(repeated), HINT);
  if (!isObject(document?.value)) {
    throw problem(file, 'is not a kubeconfig: it holds no object', HINT);
  }
  return document.value;
}

type EntryKind = 'context' | 'cluster' | 'user';

/** Fields that are texts wherever they are; client-node takes them as they are. */
const TEXTS: Readonly<Record<EntryKind, readonly string[]>> = {
  context: ['cluster', 'user'],
  cluster: [
    'server',
    'certificate-authority',
    'certificate-authority-data',
    'tls-server-name',
    'proxy-url',
  ],
  user: [
    'as',
    'token',
    'token-file',
    'tokenFile',
    'username',
    'password',
    'client-certificate',
    'client-certificate-data',
    'client-key',
    'client-key-data',
  ],
};

/** The entry of that name, by client-node's reading of it, and as it stands in the file. */
function find<T>(
  file: string,
  config: JsonObject,
  kind: EntryKind,
  name: string,
  read: (entries: unknown[]) => T[],
): { value: T; raw: JsonObject } {
  const entries = config[`${kind}s`];
  const raw = Array.isArray(entries) && entries.find((entry) => entry?.name === name);
  if (!isObject(raw)) {
    throw problem(file, `has no ${kind} named ${JSON.stringify(name)}`, HINT);
  }
  requireTexts(file, kind, name, raw[kind]);
  try {
    const [value] = read([raw]);
    if (value !== undefined) return { value, raw };
  } catch (error) {
    throw problem(file, `${kind} ${JSON.stringify(name)}: ${messageOf(error)}`, HINT);
  }
  throw problem(file, `${kind} ${JSON.stringify(name)} makes no sense`, HINT);
}

/** @throws EnvironmentError without the value, which may be a secret: a password of digits alone is a number in YAML. */
function requireTexts(file: string, kind: EntryKind, name: string, fields: unknown): void {
  if (!isObject(fields)) return;
  for (const field of TEXTS[kind]) {
    const value = fields[field];
    if (value === undefined || value === null || typeof value === 'string') continue;
    throw problem(
      file,
      `${kind} ${JSON.stringify(name)}: ${field} is not a text`,
      'put quotes around it',
    );
  }
}

/** A field that client-node does not know. */
function tokenFile(rawUser: JsonObject): string | undefined {
  const { user } = rawUser;
  const file = isObject(user) ? user.tokenFile : undefined;
  return typeof file === 'string' ? file : undefined;
}

function problem(file: string, what: string, hint: string): EnvironmentError {
  return new EnvironmentError(`kubeconfig ${file}: ${what}`, { hint });
}
