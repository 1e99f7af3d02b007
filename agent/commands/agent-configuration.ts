// SPDX-License-Identifier: Apache-2.0
// From command line and configuration file to what the agent runs with. Used by agent.ts at the start, and again
// whenever the file has changed. Everything that is wrong is said at once.

import os from 'node:os';
import type { AgentConfig } from '../config/agent-config.ts';
import * as parts from '../config/agent-parts.ts';
import { effectiveSettings, isInKubeProxysPlace, masqueradesAll } from '../config/effective.ts';
import { type Notice, noticesOf } from '../config/notices.ts';
import { optionOfKey, type Settings } from '../config/options.ts';
import { readConfiguration } from '../config/read-configuration.ts';
import type { FlagReading } from '../config/read-flags.ts';
import { type FieldProblem, validate } from '../config/validation.ts';
import { configurationJson } from '../config/write-configuration.ts';
import { EnvironmentError, UsageError } from '../errors.ts';
import { DEFAULT_MASQUERADE_PORTS } from '../model/port-ranges.ts';
import { findCgroupRoot } from '../sys/cgroup.ts';
import type { LogLevel } from '../telemetry/log.ts';
import type { AgentOptions } from './agent-options.ts';
import { isPacketPathOff } from './packet-path-devices.ts';

export interface Configuration {
  readonly settings: Settings;
  readonly notices: readonly Notice[];
  /** Unknown keys, ... */
  readonly warnings: readonly string[];
  readonly logLevel: LogLevel;
  /** Whether the settings about the host are to be written. */
  readonly ownsHost: boolean;
}

export interface ConfigurationFile {
  readonly name: string;
  readonly text: string;
}

/** @throws UsageError, EnvironmentError */
export function readyConfiguration(
  options: AgentOptions,
  flags: FlagReading,
  file?: ConfigurationFile,
): Configuration {
  refuse(flags.problems, undefined);
  const reading = file && readConfiguration(file.text);
  if (reading) refuse(reading.problems, file);
  const settings = effectiveSettings(flags, reading);
  refuse(
    validate(settings).map((problem) => sentence(problem, flags, file)),
    file,
  );
  return {
    settings,
    notices: noticesOf(settings, flags, reading),
    warnings: reading?.warnings ?? [],
    logLevel: options.logLevel ?? parts.logLevelOf(settings['logging.verbosity']),
    ownsHost: isInKubeProxysPlace(flags),
  };
}

/** @throws UsageError, EnvironmentError */
export function agentConfig(
  options: AgentOptions,
  { command }: FlagReading,
  settings: Settings,
): AgentConfig {
  const { manifests, bpffs, proc, devices, tcAttach } = options;
  return {
    source:
      manifests === undefined
        ? {
            kubeconfig: settings['clientConnection.kubeconfig'] || undefined,
            master: command.master || undefined,
            writes: parts.writesOf(settings),
          }
        : { manifests },
    node: {
      nodeName: nodeName(options, settings),
      nodeIPs: [...(options.nodeIp ?? []), ...parts.boundNodeIP(settings)],
      clusterCIDRs: parts.clusterCIDRs(settings),
      serviceCIDRs: options.serviceCidr ?? [],
      ...(options.externalIpCidrs && { externalIpCidrs: options.externalIpCidrs }),
      nodePortAddresses: parts.nodePortAddresses(settings),
      localhostNodePorts: settings['iptables.localhostNodePorts'],
      masqueradeAll: masqueradesAll(settings),
      masqueradePorts: options.masqueradePorts ?? DEFAULT_MASQUERADE_PORTS,
    },
    cgroup: options.cgroup ?? findCgroupRoot(),
    bpffs,
    tableSizes: options.tableSize ?? new Map(),
    proc,
    metrics: parts.serverAddress(settings.metricsBindAddress),
    healthz: parts.serverAddress(settings.healthzBindAddress),
    bindAddressHardFail: settings.bindAddressHardFail,
    syncPeriodMs: parts.syncPeriodMs(settings),
    auditEveryMs: parts.auditEveryMs(settings),
    auditRest: parts.auditRest(settings),
    takesOverFromKubeProxy: options.takeOverFromKubeProxy ?? false,
    kubeProxyConfiguration: configurationJson(settings),
    packetPath: {
      devices,
      // Who has turned the packet path off does not get it back by a way of telling pods.
      podDevices: isPacketPathOff({ devices, podDevices: options.podDevices })
        ? []
        : [...options.podDevices, ...parts.podDevices(settings)],
      attachMode: tcAttach,
    },
  };
}

/** @throws UsageError */
function nodeName(options: AgentOptions, settings: Settings): string {
  const name = (options.nodeName ?? (settings.hostnameOverride || os.hostname()))
    .trim()
    .toLowerCase();
  if (!name) throw new UsageError('--node-name is empty');
  return name;
}

/** @throws UsageError for flags, EnvironmentError for a file */
function refuse(problems: readonly string[], file: ConfigurationFile | undefined): void {
  const [first] = problems;
  if (first === undefined) return;
  const where = file ? `configuration file ${file.name}` : 'the flags';
  const message =
    problems.length > 1
      ? `${where}: ${problems.length} mistakes\n  ${problems.join('\n  ')}`
      : file
        ? `${where}: ${first}`
        : first;
  throw file ? new EnvironmentError(message) : new UsageError(message);
}

/** Names the flag where it is the flag that counts. */
function sentence(
  { key, value, right }: FieldProblem,
  flags: FlagReading,
  file: ConfigurationFile | undefined,
): string {
  const option = optionOfKey(key.replace(/\[\d+\]$/, ''));
  const isFlags = option?.flag && (!file || (option.besideConfig && flags.given.has(option.flag)));
  return isFlags ? `--${option.flag} ${value}: ${right}` : `${key}: ${value}: ${right}`;
}
