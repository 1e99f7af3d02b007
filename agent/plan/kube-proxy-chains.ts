// SPDX-License-Identifier: Apache-2.0
// Which chains and rules of iptables are kube-proxy's, and how they are taken off: what iptables-save prints goes in,
// what iptables-restore takes comes out, a table at a time. Pure.
//
// Those are kube-proxy's that it takes away itself (`kube-proxy --cleanup` of 1.36, modes iptables and ipvs). kubelet's
// stay, whatever looks alike: KUBE-FIREWALL, KUBE-MARK-DROP, KUBE-KUBELET-CANARY, KUBE-IPTABLES-HINT; and so does what a
// rule of somebody else still leads to.

/** In the order in which they are to be changed: first nobody is led to what goes. */
export const KUBE_PROXY_TABLES = ['nat', 'filter', 'mangle'] as const;
export type IptablesTable = (typeof KUBE_PROXY_TABLES)[number];

const CANARY = 'KUBE-PROXY-CANARY';

const OWN_CHAINS: Readonly<Record<IptablesTable, readonly string[]>> = {
  nat: [
    'KUBE-SERVICES',
    'KUBE-NODEPORTS',
    'KUBE-POSTROUTING',
    'KUBE-MARK-MASQ',
    CANARY,
    // Of ipvs.
    'KUBE-NODE-PORT',
    'KUBE-LOAD-BALANCER',
  ],
  filter: [
    'KUBE-SERVICES',
    'KUBE-EXTERNAL-SERVICES',
    'KUBE-FORWARD',
    'KUBE-NODEPORTS',
    'KUBE-PROXY-FIREWALL',
    CANARY,
    // Of ipvs.
    'KUBE-NODE-PORT',
    'KUBE-SOURCE-RANGES-FIREWALL',
    'KUBE-IPVS-FILTER',
    'KUBE-IPVS-OUT-FILTER',
  ],
  mangle: [CANARY],
};

/** One for each service port, for each endpoint, and so on; XLB is of before 1.24. */
const OWN_CHAIN_OF_SERVICE = /^KUBE-(SVC|SVL|EXT|FW|SEP|XLB)-/;

/** What kube-proxy's jumps from the built-in chains say; rules of others may lead to its chains, too. */
const OWN_JUMP = /--comment "?kube(rnetes|-proxy) /;
const BUILT_IN = ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'];

/** The mark is of no use without the rule that masquerades what has it. */
const GO_TOGETHER = new Map([['KUBE-MARK-MASQ', 'KUBE-POSTROUTING']]);

interface Rule {
  readonly chain: string;
  /** All behind the chain, as it was printed. */
  readonly text: string;
  readonly target: string | undefined;
}

export interface TableContent {
  readonly chains: readonly string[];
  /** Built-in chains that drop what no rule decides about. */
  readonly dropping: readonly string[];
  readonly rules: readonly Rule[];
}

/** How kube-proxy's part of a table is taken off. */
export interface TableRemoval {
  readonly table: IptablesTable;
  readonly chains: number;
  /** In those chains, and jumps to them. */
  readonly rules: number;
  /** For iptables-restore --noflush, which does all of it or nothing. */
  readonly script: string;
  /** Chains that stay, each with the rule of somebody else that leads there. */
  readonly kept: readonly { readonly chain: string; readonly rule: string }[];
  /** What is forwarded is dropped unless a rule accepts it, and kube-proxy's did so for Services. */
  readonly forwardDrops: boolean;
}

/** Reads what iptables-save prints, of one table or all. Lines that make no sense are left out. */
export function parseTables(saved: string): Map<string, TableContent> {
  const tables = new Map<string, { chains: string[]; dropping: string[]; rules: Rule[] }>();
  let current: { chains: string[]; dropping: string[]; rules: Rule[] } | undefined;
  for (const line of saved.split('\n')) {
    if (line.startsWith('*')) {
      current = { chains: [], dropping: [], rules: [] };
      tables.set(line.slice(1).trim(), current);
    } else if (line.startsWith(':')) {
      const [chain = '', policy] = line.slice(1).split(' ');
      current?.chains.push(chain);
      if (policy === 'DROP') current?.dropping.push(chain);
    } else {
      const [, chain, text = ''] = line.match(/^(?:\[\d+:\d+\] )?-A (\S+) ?(.*)$/) ?? [];
      if (chain !== undefined) current?.rules.push({ chain, text, target: targetOf(text) });
    }
  }
  return tables;
}

/** @returns undefined when nothing in the table is kube-proxy's. */
export function planRemoval(
  table: IptablesTable,
  content: TableContent | undefined,
): TableRemoval | undefined {
  if (!content) return undefined;
  const own = new Set(content.chains.filter((chain) => isOwnChain(table, chain)));
  const kept = keptChains(content, own);
  const gone = new Set([...own].filter((chain) => !kept.has(chain)));
  if (gone.size === 0) return undefined;
  const jumps = content.rules.filter((rule) => isOwnJump(rule, gone));
  const inside = content.rules.filter(({ chain }) => gone.has(chain)).length;
  return {
    table,
    chains: gone.size,
    rules: inside + jumps.length,
    script: scriptOf(table, [...gone], jumps),
    kept: [...kept].map(([chain, rule]) => ({ chain, rule })),
    forwardDrops: table === 'filter' && content.dropping.includes('FORWARD'),
  };
}

function isOwnChain(table: IptablesTable, chain: string): boolean {
  return OWN_CHAINS[table].includes(chain) || (table === 'nat' && OWN_CHAIN_OF_SERVICE.test(chain));
}

function isOwnJump({ chain, text, target }: Rule, gone: ReadonlySet<string>): boolean {
  return (
    BUILT_IN.includes(chain) && target !== undefined && gone.has(target) && OWN_JUMP.test(text)
  );
}

/** What rules of others lead to, and what those chains lead to. A node may have a hundred thousand rules. */
function keptChains({ rules }: TableContent, own: ReadonlySet<string>): Map<string, string> {
  const inChain = Map.groupBy(rules, ({ chain }) => chain);
  const kept = new Map<string, string>();
  const keep = (first: string, rule: string): void => {
    const waiting = [first];
    for (let chain = waiting.pop(); chain !== undefined; chain = waiting.pop()) {
      if (!own.has(chain) || kept.has(chain)) continue;
      kept.set(chain, rule);
      const companion = GO_TOGETHER.get(chain);
      if (companion !== undefined) waiting.push(companion);
      for (const { target } of inChain.get(chain) ?? []) {
        if (target !== undefined) waiting.push(target);
      }
    }
  };
  for (const rule of rules) {
    const { chain, text, target } = rule;
    if (target === undefined || own.has(chain) || isOwnJump(rule, own)) continue;
    keep(target, `-A ${chain} ${text}`);
  }
  return kept;
}

/** A line for a chain empties it: so no rule leads from one to another when they are removed. */
function scriptOf(table: IptablesTable, chains: readonly string[], jumps: readonly Rule[]): string {
  return [
    `*${table}`,
    ...chains.map((chain) => `:${chain} - [0:0]`),
    ...jumps.map(({ chain, text }) => `-D ${chain} ${text}`),
    ...chains.map((chain) => `-X ${chain}`),
    'COMMIT',
    '',
  ].join('\n');
}

/** What a rule does with what it matches; a comment may contain anything. */
function targetOf(text: string): string | undefined {
  const [, target] = text.replace(/"(?:\\.|[^"\\])*"/g, '""').match(/(?:^| )-[jg] (\S+)/) ?? [];
  return target;
}
