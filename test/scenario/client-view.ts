// SPDX-License-Identifier: Apache-2.0
// What the tables alone say to a client, looked up as a program would: the other opinion on what `explain` finds.

import {
  familyOf,
  formatEndpoint,
  type IpAddress,
  isLoopback,
  prefixContains,
  unspecifiedAddress,
} from '../../agent/model/address.ts';
import type { Explanation, Query, Verdict } from '../../agent/model/explanation.ts';
import type { Origin } from '../../agent/model/node-facts.ts';
import { protocolName, protocolNumber } from '../../agent/model/protocol.ts';
import { prefixOfKey, sourceRangeOf } from '../../agent/reconcile/entries.ts';
import type { KernelTables } from '../../agent/reconcile/kernel-tables.ts';
import {
  FrontendFlags,
  FrontendScope,
  type FrontendValue,
  NodeFlags,
} from '../../agent/sys/layout.gen.ts';

/** A client, as far as the tables tell clients apart. */
export interface Client {
  readonly origin: Origin;
  /** undefined: nothing is known of it, and it is in no source range. */
  readonly address: IpAddress | undefined;
}

/** The verdict and, when it is `forward`, the backends in their order: `forward 10.244.1.2:8080`. */
export type Outcome = string;

type Frontends = ReadonlyMap<string, FrontendValue>;

/** The tables as they were when this was made. */
export class ClientView {
  readonly #tables: KernelTables;
  readonly #frontends: Frontends;
  readonly #slots: ReturnType<KernelTables['slots']['read']>;

  constructor(tables: KernelTables) {
    this.#tables = tables;
    this.#slots = tables.slots.read();
    this.#frontends = new Map(
      tables.frontends
        .entries()
        .map(([{ scope, address, port, protocol }, value]) => [
          [scope, address, port, protocol].join(' '),
          value,
        ]),
    );
  }

  /** Everything that stands in the tables: an address, a nodePort on each of the node's, a port that is closed. */
  destinations(): Query['to'][] {
    return this.#tables.frontends.entries().flatMap(([{ scope, address, port, protocol }]) => {
      if (scope === FrontendScope.AT_OTHER_PORTS) {
        return [{ protocol: 'TCP' as const, address, port: 65_535 }];
      }
      const name = protocolName(protocol) as Query['to']['protocol'];
      const at = scope === FrontendScope.AT_NODE ? this.#nodePortAddresses(address) : [address];
      return at.map((one) => ({ protocol: name, address: one, port }));
    });
  }

  outcome(client: Client, { protocol, address, port }: Query['to']): Outcome {
    const number = protocolNumber(protocol);
    const atAddress = this.#find(FrontendScope.AT_ADDRESS, address, port, number);
    if (atAddress) return this.#outcomeAt(client, atAddress);
    if (this.#servesNodePorts(client, address)) {
      const any = unspecifiedAddress(familyOf(address));
      const atNode = this.#find(FrontendScope.AT_NODE, any, port, number);
      return atNode ? this.#outcomeAt(client, atNode) : 'pass';
    }
    const closed = this.#find(FrontendScope.AT_OTHER_PORTS, address, 0, 0);
    if (closed) return this.#outcomeAt(client, closed);
    const isServiceAddress = this.#tables.serviceCidrs
      .entries()
      .some(([key]) => prefixContains(prefixOfKey(key), address));
    return isServiceAddress ? 'drop' : 'pass';
  }

  #find(scope: FrontendScope, address: IpAddress, port: number, protocol: number) {
    return this.#frontends.get([scope, address, port, protocol].join(' '));
  }

  #outcomeAt(client: Client, frontend: FrontendValue): Outcome {
    const { flags, inside, outside } = frontend;
    if (flags & FrontendFlags.RESTRICTED && !this.#isAllowed(client, frontend)) return 'drop';
    const isOutside = client.origin === 'external';
    const { first, count } = isOutside ? outside : inside;
    const drops = flags & (isOutside ? FrontendFlags.DROPS_OUTSIDE : FrontendFlags.DROPS_INSIDE);
    if (count === 0) return drops ? 'drop' : 'reject';
    const backends = this.#slots.slice(first, first + count);
    return outcomeText(
      'forward',
      backends.map(({ address, port }) => formatEndpoint(address, port)),
    );
  }

  #isAllowed({ address }: Client, { servicePortId }: FrontendValue): boolean {
    if (address === undefined) return false;
    return this.#tables.sourceRanges
      .entries()
      .some(
        ([key]) =>
          key.servicePortId === servicePortId && prefixContains(sourceRangeOf(key), address),
      );
  }

  #servesNodePorts({ origin }: Client, address: IpAddress): boolean {
    if (!isLoopback(address)) return this.#nodePortAddresses(address).includes(address);
    const [[, node] = []] = this.#tables.nodes.entries();
    return origin === 'host' && Boolean(node && node.flags & NodeFlags.LOOPBACK_NODE_PORTS);
  }

  /** Of the family of `like`. */
  #nodePortAddresses(like: IpAddress): IpAddress[] {
    const all = this.#tables.nodePortAddresses.entries().map(([{ address }]) => address);
    return all.filter((address) => familyOf(address) === familyOf(like));
  }
}

/** What `explain` found, in the same words. */
export function outcomeOf({ verdict, backends }: Explanation): Outcome {
  return outcomeText(
    verdict,
    backends.map(({ backend }) => formatEndpoint(backend.address, backend.port)),
  );
}

function outcomeText(verdict: Verdict, backends: readonly string[]): Outcome {
  return [verdict, ...backends].join(' ');
}
