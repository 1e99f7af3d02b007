// SPDX-License-Identifier: Apache-2.0
// What there is of nftables in this network namespace, by netlink (linux/netfilter/nf_tables.h): a question costs some
// microseconds and needs no program. iptables-nft's rules are there too, in tables of iptables' names.

import { ENOENT, KernelError } from './libbpf/kernel-error.ts';
import { NETLINK_NETFILTER, type NetlinkRequest, NetlinkSocket } from './libbpf/netlink-socket.ts';
import {
  familyNumber,
  type NetfilterFamily,
  netfilterRequest,
  netfilterType,
  textAttribute,
} from './netfilter-messages.ts';
import { DUMP, type NetlinkMessage, WANTS_ACK } from './netlink-messages.ts';

/** NFT_MSG_* */
const GET_TABLE = netfilterType('tables', 1);
const GET_CHAIN = netfilterType('tables', 4);
const NEW_RULE = netfilterType('tables', 6);
const GET_RULE = netfilterType('tables', 7);

/** NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME, NFTA_RULE_TABLE */
const TABLE_NAME = 1;
const CHAIN_TABLE = 1;
const CHAIN_NAME = 3;
const RULE_TABLE = 1;

/** EINVAL, EPROTONOSUPPORT, EOPNOTSUPP, EAFNOSUPPORT: a kernel without nf_tables, or without the family. */
const NO_SUCH_THING = [22, 93, 95, 97];
const ABSENT: readonly number[] = [ENOENT, ...NO_SUCH_THING];

/** @throws KernelError when it may not be asked. */
export function hasTable(family: NetfilterFamily, table: string): boolean {
  const name = textAttribute(TABLE_NAME, table);
  return exists(
    netfilterRequest(GET_TABLE, WANTS_ACK, familyNumber(family), name),
    `table ${table}`,
  );
}

/** @throws KernelError when it may not be asked. */
export function hasChain(family: NetfilterFamily, table: string, chain: string): boolean {
  const names = [textAttribute(CHAIN_TABLE, table), textAttribute(CHAIN_NAME, chain)];
  return exists(
    netfilterRequest(GET_CHAIN, WANTS_ACK, familyNumber(family), ...names),
    `chain ${chain}`,
  );
}

/** Rules of a table, in all its chains. */
export function countRules(family: NetfilterFamily, table: string): number {
  const name = textAttribute(RULE_TABLE, table);
  let rules = 0;
  ask(netfilterRequest(GET_RULE, DUMP, familyNumber(family), name), ({ type }) => {
    if (type === NEW_RULE) rules++;
  });
  return rules;
}

function exists(request: NetlinkRequest, what: string): boolean {
  let found = false;
  const errno = ask(request, () => {
    found = true;
  });
  if (errno !== 0 && !ABSENT.includes(errno))
    throw new KernelError(`look for nftables’ ${what}`, errno);
  return found;
}

function ask(request: NetlinkRequest, visit: (message: NetlinkMessage) => void): number {
  const socket = NetlinkSocket.open(NETLINK_NETFILTER);
  try {
    return socket.ask(request, visit);
  } finally {
    socket.close();
  }
}
