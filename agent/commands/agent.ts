// SPDX-License-Identifier: Apache-2.0
// `signalbox agent`: the DaemonSet's process, in kube-proxy's place. Its options and the configuration file become one
// checked configuration; agent-process.ts runs it, and again with another one when the file has changed.

import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { readConfigurationFile } from '../config/configuration-file.ts';
import { hostPlan } from '../config/host-plan.ts';
import { notInFile } from '../config/notices.ts';
import { type FlagReading, readFlags } from '../config/read-flags.ts';
import { writeConfiguration } from '../config/write-configuration.ts';
import { EnvironmentError, messageOf } from '../errors.ts';
import { ensureBpffs } from '../sys/bpf-filesystem.ts';
import { requireCgroup } from '../sys/cgroup.ts';
import { onlineCpus } from '../sys/cpus.ts';
import { applyHostSettings, setOomScore } from '../sys/host-settings.ts';
import { reservePorts } from '../sys/reserved-ports.ts';
import { createLogger, type Logger } from '../telemetry/log.ts';
import { VERSION } from '../version.ts';
import {
  agentConfig,
  type Configuration,
  type ConfigurationFile,
  readyConfiguration,
} from './agent-configuration.ts';
import { examineNode } from './agent-doctor.ts';
import { type AgentOptions, agentCommand, rawFlags } from './agent-options.ts';
import { runReloading } from './agent-reload.ts';
import { requireRoot } from './options.ts';
import { isPacketPathOff } from './packet-path-devices.ts';
import { complain, say } from './terminal.ts';

export function command(): Command {
  return agentCommand().action(run);
}

async function run(options: AgentOptions & Readonly<Record<string, unknown>>): Promise<void> {
  const flags = readFlags(rawFlags(options));
  const { command: asked } = flags;
  if (asked.version !== undefined && asked.version !== 'false' && !asked.version.startsWith('v')) {
    say(VERSION);
    return;
  }
  const name = asked.config || undefined;
  const load = (text: string) =>
    readyConfiguration(options, flags, name === undefined ? undefined : { name, text });
  const file: ConfigurationFile | undefined =
    name === undefined ? undefined : { name, text: readConfigurationFile(name) };
  const configuration = load(file?.text ?? '');
  if (asked['write-config-to']) return writeConfigTo(asked['write-config-to'], configuration);
  if (asked.cleanup) {
    const { command: cleanupCommand } = await import('./cleanup.ts');
    await cleanupCommand().parseAsync(['--bpffs', options.bpffs], { from: 'user' });
    return;
  }
  if (asked['init-only']) {
    requireRoot();
    const log = createLogger(configuration.logLevel);
    ensureBpffs(options.bpffs, log);
    settleHost(configuration, options, log);
    const { node, packetPath, proc } = agentConfig(options, flags, configuration.settings);
    if (!isPacketPathOff(packetPath)) reservePorts(node.masqueradePorts, proc, log);
    return;
  }
  await serve(options, flags, { configuration, file, load });
}

async function serve(
  options: AgentOptions,
  flags: FlagReading,
  start: {
    readonly configuration: Configuration;
    readonly file: ConfigurationFile | undefined;
    readonly load: (text: string) => Configuration;
  },
): Promise<void> {
  const toConfig = ({ settings }: Configuration) => agentConfig(options, flags, settings);
  const first = toConfig(start.configuration);
  requireRoot();
  requireCgroup(first.cgroup);
  await runReloading({
    ...start,
    toConfig,
    prepare: (configuration, log, warnings) => {
      if (configuration.ownsHost) {
        settleHost(configuration, options, log);
        setOomScore(configuration.settings.oomScoreAdj, log);
      }
      examineNode(toConfig(configuration), log, warnings);
    },
  });
}

function settleHost({ settings }: Configuration, { proc }: AgentOptions, log: Logger): void {
  applyHostSettings(hostPlan(settings, onlineCpus()), { proc, sys: '/sys' }, log);
}

/** @throws EnvironmentError */
function writeConfigTo(file: string, { settings }: Configuration): void {
  try {
    writeFileSync(file, writeConfiguration(settings));
  } catch (cause) {
    throw new EnvironmentError(`cannot write the configuration to ${file}: ${messageOf(cause)}`, {
      cause,
    });
  }
  for (const { option, value, why } of notInFile(settings)) {
    complain(`${option}: ${value || '""'}: ${why}`);
  }
}
