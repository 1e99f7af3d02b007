// SPDX-License-Identifier: Apache-2.0
// Runs the agent, and runs it anew within the process when its configuration file has become another one. Programs and
// tables stay at work meanwhile, so that no connection notices. Invariant: a file that cannot be used changes nothing
// but what is said about it, and neither does one with which the agent cannot start.

import { isDeepStrictEqual } from 'node:util';
import type { AgentConfig } from '../config/agent-config.ts';
import { watchConfigurationFile } from '../config/configuration-file.ts';
import { MendableError, messageOf } from '../errors.ts';
import { createLogger, type Logger } from '../telemetry/log.ts';
import type { Configuration, ConfigurationFile } from './agent-configuration.ts';
import { createSource } from './agent-inputs.ts';
import { runAgent } from './agent-process.ts';
import type { Problems } from './problems.ts';

export interface Reloading {
  readonly configuration: Configuration;
  /** undefined: there is none, and nothing to follow. */
  readonly file: ConfigurationFile | undefined;
  /** @throws MendableError when the text cannot be used. */
  readonly load: (text: string) => Configuration;
  /** @throws MendableError */
  readonly toConfig: (configuration: Configuration) => AgentConfig;
  /** Before each run touches anything, and once no other agent keeps the tables. */
  readonly prepare: (configuration: Configuration, log: Logger, warnings: Problems) => void;
}

/** What the agent runs with, and the file that says it. */
interface Version {
  readonly configuration: Configuration;
  readonly file: ConfigurationFile | undefined;
  /** For `status`: why it is not what the file says. */
  readonly problem?: string;
}

/** Runs until SIGTERM or SIGINT. @throws MendableError when the agent cannot start, or not go on. */
export async function runReloading(options: Reloading): Promise<void> {
  let version: Version = options;
  let good: Configuration | undefined;
  let log = createLogger(version.configuration.logLevel);
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      log.info({ signal }, 'stopping');
      stop.abort();
    });
  }
  const told = new Set<string>();
  while (!stop.signal.aborted) {
    const { configuration, file } = version;
    log = createLogger(configuration.logLevel);
    tell(configuration, told, log);
    const onReady = () => {
      good = configuration;
    };
    try {
      const next = await runUntilChanged(options, version, onReady, log, stop.signal);
      if (!next) return;
      version = next;
    } catch (error) {
      if (!(error instanceof MendableError) || !good || good === configuration) throw error;
      const problem = `the agent has gone back to its former configuration: ${error.message}`;
      log.error(
        { error: error.message },
        'the agent cannot start with the configuration file; it goes back to what it had',
      );
      version = { configuration: good, file, problem };
    }
  }
}

/** @returns what to go on with; undefined when the agent is to end. */
async function runUntilChanged(
  { load, toConfig, prepare }: Reloading,
  { configuration: running, file, problem: before }: Version,
  onReady: () => void,
  log: Logger,
  stop: AbortSignal,
): Promise<Version | undefined> {
  const changed = new AbortController();
  let next: Version | undefined;
  let problem = before;
  const refused = (error: Error) => {
    problem = `the agent goes on with its former configuration: ${error.message}`;
    log.error(
      { error: error.message },
      'the configuration file cannot be used; the agent goes on with what it had',
    );
  };
  const watch =
    file &&
    watchConfigurationFile(file.name, file.text, {
      log,
      onUnreadable: refused,
      onText: (text) => {
        if (changed.signal.aborted) return;
        try {
          const configuration = load(text);
          probe(toConfig(configuration), log);
          problem = undefined;
          if (isDeepStrictEqual(configuration.settings, running.settings)) {
            log.info({ file: file.name }, 'the configuration file says what it said before');
            return;
          }
          next = { configuration, file: { ...file, text } };
          log.info({ file: file.name }, 'the configuration has changed: starting anew with it');
          changed.abort();
        } catch (error) {
          refused(error instanceof MendableError ? error : new Error(messageOf(error)));
        }
      },
    });
  try {
    await runAgent(toConfig(running), log, AbortSignal.any([stop, changed.signal]), {
      configurationProblem: () => problem,
      onAlone: (warnings) => prepare(running, log, warnings),
      onReady,
    });
  } finally {
    watch?.close();
  }
  return stop.aborted ? undefined : next;
}

/** Finds out before the agent ends what would end it then. @throws MendableError */
function probe(config: AgentConfig, log: Logger): void {
  const source = createSource(config, log);
  if ('client' in source) source.client.close();
}

/** Each once, as long as the process lives. */
function tell({ notices, warnings }: Configuration, told: Set<string>, log: Logger): void {
  for (const { option, value, why } of notices) {
    const key = `${option} ${value}`;
    if (told.has(key)) continue;
    told.add(key);
    log.info({ option, ...(value !== undefined && { value }), why }, 'an option without effect');
  }
  for (const warning of warnings) {
    if (told.has(warning)) continue;
    told.add(warning);
    log.warn({ warning }, 'the configuration file is not as it should be');
  }
}
