// SPDX-License-Identifier: Apache-2.0
// Credentials from a kubeconfig's exec plugin. Used by user-credentials.ts. Puts around client-node's
// ExecAuth what it lacks: one run at a time, relative commands, the plugin's input, telling errors.

import { dirname, resolve } from 'node:path';
import { ExecAuth } from '@kubernetes/client-node/dist/exec_auth.js';
import { EnvironmentError, messageOf } from '../errors.ts';
import type { Credentials } from './api-access.ts';
import { isObject } from './json-fields.ts';

export interface ExecPlugin {
  /** Runs the plugin unless what it last gave is still good. Rejects with what it said. */
  credentials(): Promise<Credentials>;
  /** Makes the next call run the plugin. */
  forget(): void;
}

/** @throws EnvironmentError when the entry names no command. */
export function createExecPlugin(file: string, userName: string, entry: unknown): ExecPlugin {
  if (!isObject(entry) || typeof entry.command !== 'string' || entry.command === '') {
    throw new EnvironmentError(
      `kubeconfig ${file}: user ${JSON.stringify(userName)}: exec has no command`,
      { hint: 'write users[].user.exec.command' },
    );
  }
  const command = entry.command.includes('/')
    ? resolve(dirname(file), entry.command)
    : entry.command;
  const input = {
    apiVersion: entry.apiVersion,
    kind: 'ExecCredential',
    spec: { interactive: false },
  };
  const env = Array.isArray(entry.env) ? entry.env : [];
  const user = {
    name: userName,
    exec: {
      ...entry,
      command,
      env: [...env, { name: 'KUBERNETES_EXEC_INFO', value: JSON.stringify(input) }],
    },
  };
  let auth = new ExecAuth();
  let running: Promise<Credentials> | undefined;

  async function run(): Promise<Credentials> {
    const options: { headers: Record<string, string>; cert?: string; key?: string } = {
      headers: {},
    };
    try {
      await auth.applyAuthentication(user, options);
    } catch (error) {
      throw new Error(`exec plugin ${command}: ${messageOf(error).trim()}`, { cause: error });
    }
    const { headers, cert, key } = options;
    return { headers, tls: { ...(cert && { cert }), ...(key && { key }) } };
  }

  return {
    credentials() {
      running ??= run().finally(() => {
        running = undefined;
      });
      return running;
    },
    forget() {
      auth = new ExecAuth();
    },
  };
}
