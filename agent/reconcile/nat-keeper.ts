// SPDX-License-Identifier: Apache-2.0
// Keeps established connections of another proxy translated without its rules. The kernel translates what conntrack
// knows only while somebody in the network namespace has chains of type nat and a rule that looks at conntrack; the last
// rule that goes takes every translated connection with it (observed on 6.18, for all three kinds of rules). So there is
// a table of our own, whose chains let everything pass: it is made before anything is removed, and goes when the last
// such connection has ended.

import { NETFILTER_FAMILIES, type NetfilterFamily } from '../sys/netfilter-messages.ts';
import { runNft } from '../sys/netfilter-programs.ts';
import { hasTable } from '../sys/nf-tables.ts';

const KEEPER_TABLE = 'signalbox-keep-nat';

/** Where nat chains are; the numbers are those of the names dstnat and srcnat, which nft 1.0 does not know on each. */
const HOOKS = [
  ['prerouting', -100],
  ['input', 100],
  ['output', -100],
  ['postrouting', 100],
] as const;

/** Makes the tables that are not there. @throws EnvironmentError */
export async function keepNat(families: Iterable<NetfilterFamily>): Promise<void> {
  const missing = [...new Set(families)].filter((family) => !hasTable(family, KEEPER_TABLE));
  if (missing.length) await runNft(missing.map(keeperScript).join('\n'));
}

/** Families of which translations are kept. */
export function keptFamilies(): NetfilterFamily[] {
  return NETFILTER_FAMILIES.filter((family) => hasTable(family, KEEPER_TABLE));
}

/** @returns the tables that were there, as nft names them. @throws EnvironmentError */
export async function stopKeepingNat(): Promise<string[]> {
  const tables = keptFamilies().map((family) => `${family} ${KEEPER_TABLE}`);
  if (tables.length) await runNft(tables.map((table) => `delete table ${table}\n`).join(''));
  return tables;
}

/** No packet runs through `conntrack`: that its rule is there is what keeps conntrack looking at packets. */
function keeperScript(family: NetfilterFamily): string {
  return [
    `table ${family} ${KEEPER_TABLE} {`,
    '  chain conntrack { ct state new accept; }',
    ...HOOKS.map(
      ([hook, priority]) =>
        `  chain ${hook} { type nat hook ${hook} priority ${priority}; policy accept; }`,
    ),
    '}',
    '',
  ].join('\n');
}
