// SPDX-License-Identifier: Apache-2.0
// The way out: from then on the programs serve nothing new, and what goes on keeps its backend. Written when no agent
// runs: the first pass of one ends it (node-tables.ts), for who starts an agent wants to be served.

import { type Node, NodeFlags } from '../sys/layout.gen.ts';
import type { KernelTables } from './kernel-tables.ts';

type Nodes = Pick<KernelTables['nodes'], 'entries' | 'put'>;

/** @returns whether there is a node to drain: no agent has ever been ready where there is none. @throws KernelError */
export function beginDraining(nodes: Nodes): boolean {
  const [[, node] = []] = nodes.entries();
  if (!node || node.netnsCookie === 0n) return false;
  putFlags(nodes, node, (node.flags & ~NodeFlags.HANDED_OVER) | NodeFlags.DRAINING);
  return true;
}

/** From then on unconnected UDP, too, is left to who serves what is new. @throws KernelError */
export function markHandedOver(nodes: Nodes): void {
  const [[, node] = []] = nodes.entries();
  if (isDraining(node) && node) putFlags(nodes, node, node.flags | NodeFlags.HANDED_OVER);
}

function putFlags(nodes: Nodes, node: Node, flags: number): void {
  const [refused] = nodes.put([[0, { ...node, flags: flags as NodeFlags }]]);
  if (refused) throw refused.error;
}

export function isDraining(node: Pick<Node, 'flags'> | undefined): boolean {
  return ((node?.flags ?? 0) & NodeFlags.DRAINING) !== 0;
}
