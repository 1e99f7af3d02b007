// SPDX-License-Identifier: Apache-2.0
// What the reader must know of what happens to proxies over time: sentences for the result.

import { spawnSync } from 'node:child_process';
import { findProgram } from '../lab/find-program.ts';
import { xtablesProgram } from '../lab/kube-proxy-config.ts';
import type { ServiceProxy } from './station.ts';

/** Of kube-proxy: who would judge its figures asks for these first. */
export function lifeNotes({ name, label, isStandIn }: ServiceProxy): string[] {
  if (isStandIn) return [`Starts, changes, restarts and costs are not measured of ${label}.`];
  if (name === 'signalbox') return [];
  return [
    `${label}: with its default of minSyncPeriod, a second from the end of a pass to the next one. Many changes a second meet it; single ones do not, each is stored only once that second is over.`,
    `${label}: its rules are written by ${toolVersion(label)}, whose CPU time counts as its own.`,
  ];
}

/** In the program's own words: `nftables v1.0.6 (Lester Gooch #5)`. */
function toolVersion(label: string): string {
  const argv = label.includes('nftables')
    ? [findProgram('nft'), '--version']
    : [findProgram(xtablesProgram(modeOf(label))), 'iptables', '--version'];
  const [program = '', ...args] = argv;
  return spawnSync(program, args, { encoding: 'utf8' }).stdout.trim();
}

function modeOf(label: string) {
  return label.includes('iptables-nft') ? 'iptables-nft' : 'iptables-legacy';
}
