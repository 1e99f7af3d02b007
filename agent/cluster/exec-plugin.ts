// SPDX-License-Identifier: Apache-2.0
// Credentials from a kubeconfig's exec plugin. Used by user-credentials.ts. Puts around client-node's
// ExecAuth what it lacks: one run at a time, of limited time, relative commands, the plugin's input, telling errors.

import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { dirname, resolve } from 'node:path';
import { ExecAuth } from '@kubernetes/client-node/dist/exec_auth.js';
import { EnvironmentError, messageOf } from '../errors.ts';
import type { Credentials } from './api-access.ts';
import { MAX_SAID_CHARS } from './api-error.ts';
import { isObject } from './json-fields.ts';
import { beginningOf } from './short-text.ts';

export interface ExecPlugin {
  /** Runs the plugin unless what it last gave is still good. Rejects with what it said. */
  credentials(): Promise<Credentials>;
  /** Makes the next call run the plugin. */
  forget(): void;
}

/** Less than requests wait for credentials: they are to hear what became of it. */
const LIMIT_MS = 25_000;

/** Credentials have some kilobytes. */
const MAX_OUTPUT = 1024 * 1024;

/**
 * @param limitMs how long a run may take; then it is ended, and all that it has started.
 * @throws EnvironmentError when the entry names no command.
 */
export function createExecPlugin(
  file: string,
  userName: string,
  entry: unknown,
  limitMs = LIMIT_MS,
): ExecPlugin {
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
  const { args = null, env = null } = entry;
  const isGood =
    (args === null || (Array.isArray(args) && args.every((arg) => typeof arg === 'string'))) &&
    (env === null || (Array.isArray(env) && env.every(isVariable)));
  if (!isGood) {
    throw new EnvironmentError(
      `kubeconfig ${file}: user ${JSON.stringify(userName)}: exec has args or env that make no sense`,
      { hint: 'args are texts, env has entries of name and value, which are texts' },
    );
  }
  const user = {
    // What it keeps the credentials under, in an object: no name of somebody else's.
    name: 'user',
    exec: {
      ...entry,
      command,
      args: args ?? [],
      env: [...(env ?? []), { name: 'KUBERNETES_EXEC_INFO', value: JSON.stringify(input) }],
    },
  };
  let child: ChildProcess | undefined;
  const newAuth = () => {
    const auth = new ExecAuth();
    const execFn = (path: string, argv: readonly string[] = [], options: SpawnOptions = {}) => {
      // A process group of its own: what hangs is often not the plugin but what it waits for.
      const started = spawn(path, argv, { ...options, detached: true });
      child = started;
      limitOutput(started);
      return started;
    };
    Object.assign(auth, { execFn });
    return auth;
  };
  let auth = newAuth();
  let running: Promise<Credentials> | undefined;

  async function run(): Promise<Credentials> {
    const options: { headers: Record<string, string>; cert?: string; key?: string } = {
      headers: {},
    };
    try {
      await inTime(auth.applyAuthentication(user, options));
      const { headers, cert, key } = options;
      // Whoever sends nothing is somebody else: anonymous.
      if (!headers.Authorization && !(cert && key)) {
        throw new Error('what it printed has neither a token nor a certificate with its key');
      }
      return { headers, tls: { ...(cert && key && { cert, key }) } };
    } catch (error) {
      // It keeps what was printed before it looks at it: nothing of that may be there the next time.
      auth = newAuth();
      // Without its cause, which may quote what was printed: credentials.
      throw new Error(`exec plugin ${command}: ${complaint(error)}`);
    }
  }

  async function inTime(run: Promise<void>): Promise<void> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      reject(new Error(`no answer within ${limitMs / 1000} s, it was ended`));
      endGroup(child);
    }, limitMs);
    // Its end comes later, if ever, and is no news then.
    run.catch(() => {});
    try {
      await Promise.race([run, late]);
    } finally {
      clearTimeout(timer);
      child = undefined;
    }
  }

  return {
    credentials() {
      running ??= run().finally(() => {
        running = undefined;
      });
      return running;
    },
    forget() {
      auth = newAuth();
    },
  };
}

function isVariable(entry: unknown): boolean {
  return isObject(entry) && typeof entry.name === 'string' && typeof entry.value === 'string';
}

/** What is printed is kept until the plugin ends. */
function limitOutput(child: ChildProcess): void {
  let bytes = 0;
  const count = (chunk: string | Buffer) => {
    bytes += chunk.length;
    if (bytes <= MAX_OUTPUT || child.killed) return;
    child.emit('error', new Error(`it printed more than ${MAX_OUTPUT} bytes, and was ended`));
    endGroup(child);
    child.kill('SIGKILL');
  };
  child.stdout?.on('data', count);
  child.stderr?.on('data', count);
}

function endGroup(child: ChildProcess | undefined): void {
  if (child?.pid === undefined || child.exitCode !== null) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}

/** Of one that failed, the beginning of what it wrote to standard error. */
function complaint(error: unknown): string {
  if (error instanceof SyntaxError || error instanceof TypeError) {
    return 'what it printed is not an ExecCredential with a status';
  }
  return beginningOf(messageOf(error).trim(), MAX_SAID_CHARS);
}
