// SPDX-License-Identifier: Apache-2.0
// kube-proxy's rules about the values of its configuration (pkg/proxy/apis/config/validation, semantics 1.17). Pure. All
// that is wrong is named at once: where, what stands there, and what would be right.

import {
  type IpPrefix,
  parseAddressSloppily,
  parsePrefix,
  prefixFamily,
} from '../model/address.ts';
import { parseServerAddress } from './bind-address.ts';
import { syncPeriods } from './effective.ts';
import { type Key, optionOfKey, type Settings, textOf } from './options.ts';

export interface FieldProblem {
  readonly key: string;
  readonly value: string;
  /** As `must be greater than 0`. */
  readonly right: string;
}

const MODES = ['iptables', 'ipvs', 'nftables'];
export const LOCAL_MODES = ['ClusterCIDR', 'NodeCIDR', 'BridgeInterface', 'InterfaceNamePrefix'];
const CIDR = 'must be a CIDR, as 10.244.0.0/16 or fd00::/64';

export function validate(settings: Settings): FieldProblem[] {
  const problems: FieldProblem[] = [];
  /** @param at of an entry in a list. */
  const check = (key: Key, isRight: boolean, right: string, at?: number, entry?: string) => {
    if (isRight) return;
    const option = optionOfKey(key);
    const value = entry ?? (option ? textOf(option, settings[key]) : '');
    problems.push({ key: at === undefined ? key : `${key}[${at}]`, value: value || '""', right });
  };
  const atLeast0 = (key: Key) =>
    check(key, (settings[key] as number | bigint) >= 0, 'must be greater than or equal to 0');
  const oneOf = (key: Key, words: readonly string[]) =>
    check(key, words.includes(String(settings[key])), `must be ${words.join(', ')} or empty`);

  oneOf('mode', MODES);
  oneOf('detectLocalMode', LOCAL_MODES);
  checkMode(settings, check, atLeast0);
  checkPeriods(settings, check);
  for (const key of [
    'conntrack.maxPerCore',
    'conntrack.min',
    'conntrack.tcpEstablishedTimeout',
    'conntrack.tcpCloseWaitTimeout',
    'conntrack.udpTimeout',
    'conntrack.udpStreamTimeout',
    'clientConnection.burst',
  ] as const) {
    atLeast0(key);
  }
  check(
    'oomScoreAdj',
    Math.abs(settings.oomScoreAdj) <= 1000,
    'must be within the range [-1000, 1000]',
  );
  check(
    'bindAddress',
    parseAddressSloppily(settings.bindAddress) !== undefined,
    'must be an IP address',
  );
  for (const key of ['healthzBindAddress', 'metricsBindAddress'] as const) {
    const address = settings[key] === '' ? undefined : parseServerAddress(settings[key]);
    check(
      key,
      !address || !('wrong' in address),
      address && 'wrong' in address ? address.wrong : '',
    );
  }
  checkNodePorts(settings, check);
  checkLocal(settings, check);
  check(
    'hostnameOverride',
    settings.hostnameOverride === '' || settings.hostnameOverride.trim() !== '',
    'must be a name',
  );
  check(
    'showHiddenMetricsForVersion',
    /^(\d+\.\d+)?$/.test(settings.showHiddenMetricsForVersion),
    'must be a version, as 1.35',
  );
  checkLogging(settings, check);
  return problems;
}

type Check = (key: Key, isRight: boolean, right: string, at?: number, entry?: string) => void;

function checkMode(settings: Settings, check: Check, atLeast0: (key: Key) => void): void {
  const isBit = (bit: number) => bit >= 0 && bit <= 31;
  const bit = 'must be within the range [0, 31]';
  check('iptables.masqueradeBit', isBit(settings['iptables.masqueradeBit']), bit);
  if (settings.mode === 'nftables') {
    check('nftables.masqueradeBit', isBit(settings['nftables.masqueradeBit']), bit);
  }
  if (settings.mode !== 'ipvs') return;
  for (const key of ['ipvs.tcpTimeout', 'ipvs.tcpFinTimeout', 'ipvs.udpTimeout'] as const) {
    atLeast0(key);
  }
  for (const [i, cidr] of settings['ipvs.excludeCIDRs'].entries()) {
    check('ipvs.excludeCIDRs', exactPrefix(cidr) !== undefined, CIDR, i, cidr);
  }
}

function checkPeriods(settings: Settings, check: Check): void {
  const { key, sync, min } = syncPeriods(settings);
  check('configSyncPeriod', settings.configSyncPeriod > 0n, 'must be greater than 0');
  check(`${key}.syncPeriod` as Key, sync > 0n, 'must be greater than 0');
  check(`${key}.minSyncPeriod` as Key, min >= 0n, 'must be greater than or equal to 0');
  check(
    `${key}.syncPeriod` as Key,
    sync <= 0n || min <= sync,
    `must be greater than or equal to ${key}.minSyncPeriod`,
  );
}

function checkNodePorts({ nodePortAddresses: words }: Settings, check: Check): void {
  for (const [i, word] of words.entries()) {
    if (word === 'primary') {
      check(
        'nodePortAddresses',
        words.length === 1,
        'primary must stand alone, without CIDRs',
        i,
        word,
      );
    } else {
      check('nodePortAddresses', exactPrefix(word) !== undefined, `${CIDR}, or primary`, i, word);
    }
  }
}

function checkLocal(settings: Settings, check: Check): void {
  const right = 'must be the name of a device';
  switch (settings.detectLocalMode) {
    case 'BridgeInterface':
      check('detectLocal.bridgeInterface', settings['detectLocal.bridgeInterface'] !== '', right);
      break;
    case 'InterfaceNamePrefix':
      check(
        'detectLocal.interfaceNamePrefix',
        settings['detectLocal.interfaceNamePrefix'] !== '',
        'must be how names of devices begin',
      );
      break;
    case 'ClusterCIDR': {
      const words = settings.clusterCIDR === '' ? [] : settings.clusterCIDR.split(',');
      const prefixes = words.map(exactPrefix);
      const families = new Set(prefixes.map((prefix) => prefix && prefixFamily(prefix)));
      check(
        'clusterCIDR',
        !prefixes.includes(undefined) && prefixes.length === families.size,
        'must be one CIDR, or one of each family, as 10.244.0.0/16,fd00:10:244::/56',
      );
      break;
    }
  }
}

/** Without the white space that Services may have around theirs. */
function exactPrefix(word: string): IpPrefix | undefined {
  return word === word.trim() ? parsePrefix(word) : undefined;
}

function checkLogging(settings: Settings, check: Check): void {
  const format = settings['logging.format'];
  check('logging.format', format === 'text' || format === 'json', 'must be text or json');
  check(
    'logging.flushFrequency',
    settings['logging.flushFrequency'] > 0n,
    'must be greater than 0',
  );
  const items = settings['logging.vmodule'];
  check('logging.vmodule', !items.length || format === 'text', 'is for the format text alone');
  check(
    'logging.vmodule',
    items.every(({ filePattern }) => filePattern !== '' && !/[=,]/.test(filePattern)),
    'must have patterns without = and commas',
  );
  // That of splitStream is not asked for: kube-proxy passes over that key in a file.
  const { LoggingAlphaOptions, AllAlpha } = settings.featureGates;
  const isAlpha = LoggingAlphaOptions ?? AllAlpha ?? false;
  for (const kind of ['text', 'json'] as const) {
    const key = `logging.options.${kind}.infoBufferSize` as const;
    const isRight = isAlpha || Number.parseFloat(settings[key]) === 0;
    check(key, isRight, 'takes the feature gate LoggingAlphaOptions');
  }
}
