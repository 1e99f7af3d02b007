// SPDX-License-Identifier: Apache-2.0
// `signalbox affinity`: the clients whose connections stay with one backend, and for how long.

import { Command } from 'commander';
import {
  AFFINITY_HEADS,
  type AffinityView,
  affinityCells,
  affinityJson,
  listAffinities,
} from './affinity-view.ts';
import {
  bpffsOption,
  openPacketTablesOrExplain,
  openTablesOrExplain,
  outputOption,
} from './options.ts';
import { isService, servicePortLookup } from './port-names.ts';
import { endQuietlyWithoutReader, writeJsonArray, writeLine } from './standard-output.ts';
import { tableLines } from './table.ts';

interface Options {
  readonly bpffs: string;
  readonly output: 'table' | 'json';
}

const MORE = `
Of Services with sessionAffinity: ClientIP. CLIENT is
  an address       a client outside, or a pod that does not use the node's sockets
  pod netns N      a pod of this node, by the cookie of its network namespace
  this node        processes in the node's own network namespace

SERVES: yes, the backend takes new connections; drains, it keeps those that it has; no, it is gone. Unless it is yes, the
client's next connection goes to another backend. EXPIRES IN begins anew with each connection.

Examples:
  signalbox affinity
  signalbox affinity default/quote -o json`;

export function command(): Command {
  return new Command('affinity')
    .description('the clients whose connections stay with one backend')
    .argument('[service]', 'only this Service: name or namespace/name')
    .addOption(bpffsOption())
    .addOption(outputOption())
    .addHelpText('after', MORE)
    .action(run);
}

async function run(service: string | undefined, { bpffs, output }: Options): Promise<void> {
  const views = read(bpffs).filter(({ servicePort }) => isService(servicePort, service));
  endQuietlyWithoutReader();
  if (output === 'json') {
    await writeJsonArray(views.values().map(affinityJson));
    return;
  }
  for (const line of tableLines(AFFINITY_HEADS, () => views.values().map(affinityCells)))
    await writeLine(line);
}

function read(bpffs: string): AffinityView[] {
  const tables = openTablesOrExplain(bpffs);
  const { affinities, close } = openPacketTablesOrExplain(bpffs);
  try {
    return listAffinities({
      affinities: affinities.entries(),
      frontends: tables.frontends.entries(),
      nodeCookie: tables.nodes.get(0)?.netnsCookie,
      nameOf: servicePortLookup(tables.servicePorts),
      memberOf: (key) => tables.members.get(key),
      nowNs: process.hrtime.bigint(),
    });
  } finally {
    close();
    tables.close();
  }
}
