// SPDX-License-Identifier: Apache-2.0
// kube-proxy's rules in this network namespace: whether they are there, what they are, and how they go. What its
// connections need goes on: see nat-keeper.ts, which is to be there before anything is removed.

import { readFileSync } from 'node:fs';
import { EnvironmentError, messageOf } from '../errors.ts';
import {
  type IptablesTable,
  KUBE_PROXY_TABLES,
  parseTables,
  planRemoval,
  type TableRemoval,
} from '../plan/kube-proxy-chains.ts';
import { NETFILTER_FAMILIES, type NetfilterFamily } from '../sys/netfilter-messages.ts';
import {
  hasLegacyTable,
  type IptablesBackend,
  restoreIptables,
  runNft,
  saveIptables,
} from '../sys/netfilter-programs.ts';
import { countRules, hasChain, hasTable } from '../sys/nf-tables.ts';

/** Of kube-proxy's mode nftables. */
const NFT_TABLE = 'kube-proxy';
/** Of its modes iptables and ipvs; nobody else's. */
const ENTRANCE = 'KUBE-SERVICES';
/** The device to which kube-proxy gives every service address in its mode ipvs. */
const IPVS_DEVICE = 'kube-ipvs0';

export type RulesBackend = 'nftables' | `iptables-${IptablesBackend}`;

/** Rules of one family in one place. */
export interface FoundRules {
  readonly family: NetfilterFamily;
  readonly backend: RulesBackend;
}

export interface Found {
  readonly rules: readonly FoundRules[];
  /** IPVS translates by itself, and no connection outlives what it goes by. */
  readonly hasIpvs: boolean;
  /** What could not be looked at, and why. */
  readonly problems: readonly string[];
}

/** What was taken off, of one family in one place. */
export interface RemovedRules extends FoundRules {
  readonly rules: number;
  readonly chains: number;
  /** Chains that stay for rules of others. */
  readonly kept: TableRemoval['kept'];
  /** See {@link TableRemoval}. */
  readonly forwardDrops: boolean;
}

/** Costs some milliseconds at most where kube-proxy is not, or is in its mode nftables. Never throws. */
export async function findKubeProxyRules(): Promise<Found> {
  const problems: string[] = [];
  const looks = NETFILTER_FAMILIES.flatMap((family) => [
    look(family, 'nftables', () => hasTable(family, NFT_TABLE)),
    look(family, 'iptables-nft', () => hasChain(family, 'nat', ENTRANCE)),
    look(family, 'iptables-legacy', () => hasLegacyRules(family)),
  ]);
  const rules = (await Promise.all(looks)).filter((found) => found !== undefined);
  return { rules, hasIpvs: hasDevice(IPVS_DEVICE), problems };

  async function look(
    family: NetfilterFamily,
    backend: RulesBackend,
    isThere: () => boolean | Promise<boolean>,
  ): Promise<FoundRules | undefined> {
    try {
      return (await isThere()) ? { family, backend } : undefined;
    } catch (error) {
      problems.push(`cannot look for rules of kube-proxy (${backend}): ${messageOf(error)}`);
      return undefined;
    }
  }
}

/**
 * Takes off what was found, each table of each family as a whole, and looks whether it is gone.
 *
 * @returns what was there. @throws EnvironmentError when something could not be removed, or is there again.
 */
export async function removeKubeProxyRules(
  found: readonly FoundRules[],
): Promise<readonly RemovedRules[]> {
  const removed: RemovedRules[] = [];
  for (const one of found) {
    removed.push(
      one.backend === 'nftables' ? await removeNftables(one) : await removeIptables(one),
    );
  }
  await requireGone(removed);
  return removed;
}

async function removeNftables({ family, backend }: FoundRules): Promise<RemovedRules> {
  const rules = countRules(family, NFT_TABLE);
  await runNft(`delete table ${family} ${NFT_TABLE}\n`);
  return { family, backend, rules, chains: 0, kept: [], forwardDrops: false };
}

async function removeIptables({ family, backend }: FoundRules): Promise<RemovedRules> {
  const form = formOf(backend);
  const removals: TableRemoval[] = [];
  for (const table of KUBE_PROXY_TABLES) {
    if (!hasIptablesTable(family, form, table)) continue;
    const saved = await saveIptables(family, form, table);
    const removal = planRemoval(table, parseTables(saved).get(table));
    if (!removal) continue;
    await restoreIptables(family, form, removal.script);
    removals.push(removal);
  }
  return {
    family,
    backend,
    rules: removals.reduce((sum, { rules }) => sum + rules, 0),
    chains: removals.reduce((sum, { chains }) => sum + chains, 0),
    kept: removals.flatMap(({ kept }) => kept),
    forwardDrops: removals.some(({ forwardDrops }) => forwardDrops),
  };
}

async function requireGone(removed: readonly RemovedRules[]): Promise<void> {
  const mayStay = removed.some(({ kept }) => kept.length > 0);
  const { rules } = mayStay ? { rules: [] } : await findKubeProxyRules();
  if (rules.length === 0) return;
  throw new EnvironmentError(`rules of kube-proxy are there again: ${formatFound(rules)}`, {
    hint: 'kube-proxy still runs on this node and puts them back: end it first',
  });
}

/** In the whole, as the save programs print it: rules of iptables have no entrance to look for by netlink. */
async function hasLegacyRules(family: NetfilterFamily): Promise<boolean> {
  if (!hasLegacyTable(family, 'nat')) return false;
  const saved = await saveIptables(family, 'legacy', 'nat');
  return saved.includes(`\n:${ENTRANCE} `);
}

/** In this network namespace: /sys/class/net may show another one's. */
function hasDevice(name: string): boolean {
  const lines = readFileSync('/proc/thread-self/net/dev', 'utf8').split('\n');
  return lines.some((line) => line.trimStart().startsWith(`${name}:`));
}

function hasIptablesTable(
  family: NetfilterFamily,
  form: IptablesBackend,
  table: IptablesTable,
): boolean {
  return form === 'nft' ? hasTable(family, table) : hasLegacyTable(family, table);
}

function formOf(backend: RulesBackend): IptablesBackend {
  return backend === 'iptables-legacy' ? 'legacy' : 'nft';
}

const FAMILY_NAMES: Readonly<Record<NetfilterFamily, string>> = { ip: 'IPv4', ip6: 'IPv6' };

/** `nftables (IPv4, IPv6)` */
export function formatFound(rules: readonly FoundRules[]): string {
  return Map.groupBy(rules, ({ backend }) => backend)
    .entries()
    .map(([backend, of]) => `${backend} (${of.map(formatFamily).join(', ')})`)
    .toArray()
    .join(', ');
}

export function formatFamily({ family }: Pick<FoundRules, 'family'>): string {
  return FAMILY_NAMES[family];
}
