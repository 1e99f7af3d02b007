// SPDX-License-Identifier: Apache-2.0
// A datapath without an agent: programs on a node's cgroup, and tables in which only that stands which a
// test writes itself, at the moment of its choice.

import { protocolNumber } from '../../agent/model/protocol.ts';
import { openTables, Programs, type Tables } from '../../agent/sys/datapath.ts';
import {
  FrontendKind,
  FrontendScope,
  type IpPort,
  MemberFlags,
} from '../../agent/sys/layout.gen.ts';
import { Pins } from '../../agent/sys/pins.ts';
import { address } from '../helpers/objects.ts';
import { TARGET_PORT } from './kube-service.ts';
import type { TestNode } from './test-node.ts';

export class HandMadeServices {
  readonly pins: Pins;
  readonly #tables: Tables;
  #slots = 0;

  constructor(node: TestNode) {
    this.pins = new Pins(node.bpffs);
    const programs = Programs.load(this.pins);
    programs.attach(node.cgroup);
    programs.close();
    this.#tables = openTables(this.pins);
  }

  /** Makes port 80 of `host` lead to `backend`, as service port `id`. */
  lead(
    id: number,
    protocol: 'TCP' | 'UDP',
    host: string,
    backend: string,
    { affinityTimeoutSeconds = 0 } = {},
  ): void {
    const run = { first: this.#slots++, count: 1 };
    this.#tables.slots.write([[run.first, targetOf(backend)]]);
    this.#tables.frontends.put([
      [
        {
          address: address(host),
          port: 80,
          protocol: protocolNumber(protocol),
          scope: FrontendScope.AT_ADDRESS,
        },
        {
          servicePortId: id,
          kind: FrontendKind.CLUSTER_IP,
          flags: 0,
          affinityTimeoutSeconds,
          inside: run,
          outside: run,
        },
      ],
    ]);
  }

  /** Makes `backend` one that serves. @param isEligible for new traffic too. */
  addMember(id: number, backend: string, isEligible = true): void {
    const flags = isEligible ? MemberFlags.IN_CLUSTER : 0;
    this.#tables.members.put([[{ servicePortId: id, backend: targetOf(backend) }, { flags }]]);
  }

  removeMember(id: number, backend: string): void {
    this.#tables.members.delete([{ servicePortId: id, backend: targetOf(backend) }]);
  }

  /** What is attached and pinned goes with the node. */
  close(): void {
    this.#tables.close();
  }
}

function targetOf(backend: string): IpPort {
  return { address: address(backend), port: TARGET_PORT };
}
