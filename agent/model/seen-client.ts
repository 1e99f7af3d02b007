// SPDX-License-Identifier: Apache-2.0
// Whose address a backend sees as its client's, on this node (semantics 1.7). Pure. Not what kube-proxy's rules say,
// which explain.ts has: a client's own address is kept wherever the reply is sure to come by here.

import type { IpAddress } from './address.ts';
import { type Candidate, isLocal, type NodeTraits } from './endpoint-selection.ts';
import type { Origin } from './node-facts.ts';

/** `node`: an address of this node. */
export type SeenClient = 'client' | 'node';

/**
 * Sockets on this node connect to the backend themselves. Packets from outside keep their source on the way to a
 * backend of this node, whose replies pass here.
 *
 * @param source the client's address; undefined: not known.
 */
export function seenClient(
  origin: Origin,
  source: IpAddress | undefined,
  backend: Candidate,
  node: Pick<NodeTraits, 'name'>,
): SeenClient {
  if (origin !== 'external') return 'client';
  const isItself = backend.backend.address === source;
  return isLocal(backend, node) && !isItself ? 'client' : 'node';
}
