// SPDX-License-Identifier: Apache-2.0
// Puts flags and file together as kube-proxy does: with a file, of the flags only those about the node's name, logs and
// what to do count. Pure.

import { SERVER_PORTS, withPort } from './bind-address.ts';
import { DEFAULTS, optionOfFlag, type Settings } from './options.ts';
import type { ConfigurationReading } from './read-configuration.ts';
import type { FlagReading } from './read-flags.ts';
import type { VModuleItem } from './value-kinds.ts';

/** @param file what --config names, if it was given. */
export function effectiveSettings(flags: FlagReading, file?: ConfigurationReading): Settings {
  const settings = file ? besideFile(flags, file) : fromFlags(flags);
  return {
    ...settings,
    mode: settings.mode || DEFAULTS.mode,
    detectLocalMode: settings.detectLocalMode || DEFAULTS.detectLocalMode,
    nodePortAddresses: nodePortAddresses(settings),
  };
}

/** A node that comes from mode nftables must not serve nodePorts where kube-proxy did not. */
function nodePortAddresses({ mode, nodePortAddresses: given }: Settings): readonly string[] {
  return given.length === 0 && mode === 'nftables' ? ['primary'] : given;
}

/** Flags that were given and do not count. */
export function unusedFlags(flags: FlagReading, hasFile: boolean): string[] {
  if (hasFile) return [...flags.given].filter((flag) => !optionOfFlag(flag)?.besideConfig);
  return (['healthz', 'metrics'] as const).flatMap((server) => {
    const flag = `${server}-port` as const;
    const port = flags.command[flag];
    const address = flags.settings[`${server}BindAddress`] ?? DEFAULTS[`${server}BindAddress`];
    return port && !withPort(address, port).endsWith(`:${port}`) ? flag : [];
  });
}

/**
 * Whether the command line is one that kube-proxy had: then its defaults for the host count, too. Flags that Signalbox's
 * own operators use do not say it.
 */
export function isInKubeProxysPlace(flags: FlagReading): boolean {
  const silent = new Set(['version', 'cleanup', 'write-config-to']);
  return [...flags.given].some((flag) => {
    const option = optionOfFlag(flag);
    return option !== undefined && !option.shared && !option.gone && !silent.has(flag);
  });
}

/** The periods of the mode that was chosen. */
export function syncPeriods(settings: Settings): {
  readonly key: string;
  sync: bigint;
  min: bigint;
} {
  const { mode } = settings;
  const key = mode === 'ipvs' || mode === 'nftables' ? mode : 'iptables';
  return { key, sync: settings[`${key}.syncPeriod`], min: settings[`${key}.minSyncPeriod`] };
}

export function masqueradesAll(settings: Settings): boolean {
  return settings.mode === 'nftables'
    ? settings['nftables.masqueradeAll']
    : settings['iptables.masqueradeAll'];
}

function besideFile(
  { settings: flags }: FlagReading,
  { settings: file }: ConfigurationReading,
): Settings {
  const beside = Object.fromEntries(
    Object.entries(flags).filter(([key]) => key.startsWith('logging.')),
  );
  const vmodule: readonly VModuleItem[] = [
    ...(flags['logging.vmodule'] ?? []),
    ...file['logging.vmodule'],
  ];
  return {
    ...file,
    ...beside,
    'logging.vmodule': vmodule,
    hostnameOverride: nameOf(flags.hostnameOverride) || file.hostnameOverride,
  };
}

/** The flags named after iptables are of every mode but ipvs; the file has a section for each. */
function fromFlags({ settings: flags, command }: FlagReading): Settings {
  const settings: Settings = {
    ...DEFAULTS,
    ...flags,
    hostnameOverride: nameOf(flags.hostnameOverride),
  };
  const servers = {
    healthzBindAddress: address(
      settings.healthzBindAddress,
      command['healthz-port'] ?? SERVER_PORTS.healthz,
    ),
    metricsBindAddress: address(
      settings.metricsBindAddress,
      command['metrics-port'] ?? SERVER_PORTS.metrics,
    ),
  };
  if (settings.mode !== 'nftables') return { ...settings, ...servers };
  return {
    ...settings,
    ...servers,
    'nftables.masqueradeAll': settings['iptables.masqueradeAll'],
    'nftables.syncPeriod': settings['iptables.syncPeriod'],
    'nftables.minSyncPeriod': settings['iptables.minSyncPeriod'],
    'iptables.masqueradeAll': DEFAULTS['iptables.masqueradeAll'],
    'iptables.syncPeriod': DEFAULTS['iptables.syncPeriod'],
    'iptables.minSyncPeriod': DEFAULTS['iptables.minSyncPeriod'],
  };
}

/** A name of white space alone stays, for validation to find. */
function nameOf(flag = ''): string {
  return flag.trim().toLowerCase() || flag;
}

/** Port 0 is off. */
function address(text: string, port: number): string {
  return port === 0 || text === '' ? '' : withPort(text, port);
}
