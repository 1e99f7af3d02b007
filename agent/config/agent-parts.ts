// SPDX-License-Identifier: Apache-2.0
// What kube-proxy's settings mean here: each as the part of AgentConfig that it decides. Pure. Of settings that
// validate() has found right alone.

import {
  familyOf,
  type IpAddress,
  type IpPrefix,
  parseAddressSloppily,
  parsePrefix,
  unspecifiedAddress,
} from '../model/address.ts';
import { type NodePortAddresses, parseNodePortAddresses } from '../model/node-facts.ts';
import type { ServerAddress } from './agent-config.ts';
import { parseServerAddress } from './bind-address.ts';
import { syncPeriods } from './effective.ts';
import { milliseconds } from './go-duration.ts';
import { DEFAULTS, type Settings } from './options.ts';
import { wordsOf } from './words.ts';

/** Reading the kernel back is cheap here, and kube-proxy's default is for something dearer. */
const AUDIT_EVERY_MS = 5 * 60_000;

/** A thousandth of a CPU is all that they may take, however large the tables are. */
const AUDIT_REST = 1000;

/** undefined is off. */
export function serverAddress(text: string): ServerAddress | undefined {
  const address = text === '' ? undefined : parseServerAddress(text);
  return address && 'wrong' in address ? undefined : address;
}

/** The bind address, which kube-proxy binds nothing to: the node's own in its family. */
export function boundNodeIP({ bindAddress }: Settings): IpAddress[] {
  const address = parseAddressSloppily(bindAddress);
  if (address === undefined || address === unspecifiedAddress(familyOf(address))) return [];
  return [address];
}

/** Where pods have their addresses; empty: what the Node object says. */
export function clusterCIDRs({ detectLocalMode, clusterCIDR }: Settings): IpPrefix[] {
  if (detectLocalMode !== 'ClusterCIDR') return [];
  return wordsOf(clusterCIDR).flatMap((word) => parsePrefix(word) ?? []);
}

/** The node's ends of pods' devices, as --pod-devices names them. */
export function podDevices(settings: Settings): string[] {
  switch (settings.detectLocalMode) {
    case 'BridgeInterface':
      return [settings['detectLocal.bridgeInterface']];
    case 'InterfaceNamePrefix':
      return [`${settings['detectLocal.interfaceNamePrefix']}*`];
    default:
      return [];
  }
}

export function nodePortAddresses({ nodePortAddresses: words }: Settings): NodePortAddresses {
  const addresses = parseNodePortAddresses(words.join());
  return typeof addresses === 'object' && 'invalid' in addresses ? [] : addresses;
}

export function syncPeriodMs(settings: Settings): number {
  return milliseconds(syncPeriods(settings).sync);
}

export function auditEveryMs({ configSyncPeriod }: Settings): number {
  return configSyncPeriod === DEFAULTS.configSyncPeriod
    ? AUDIT_EVERY_MS
    : milliseconds(configSyncPeriod);
}

/** Whoever says how often has said what it may cost. */
export function auditRest({ configSyncPeriod }: Settings): number {
  return configSyncPeriod === DEFAULTS.configSyncPeriod ? AUDIT_REST : 0;
}

/** pino's name for a verbosity of klog, whose info is 0 and whose everyday debugging is 4. */
export function logLevelOf(verbosity: number): 'info' | 'debug' | 'trace' {
  return verbosity < 4 ? 'info' : verbosity < 6 ? 'debug' : 'trace';
}

/** What client-go makes of these: 0 is its default, and less is no limit. */
export function writesOf(settings: Settings): { readonly qps: number; readonly burst: number } {
  const { 'clientConnection.qps': qps, 'clientConnection.burst': burst } = settings;
  return { qps: qps < 0 ? Number.POSITIVE_INFINITY : qps || 5, burst: burst || 10 };
}
