// SPDX-License-Identifier: Apache-2.0
// `signalbox flows`: the connections from outside that the kernel translates now.

import { Command, Option } from 'commander';
import { UsageError } from '../errors.ts';
import { type IpAddress, parseAddress } from '../model/address.ts';
import { FLOW_STATES, type FlowState } from '../plan/flow-life.ts';
import {
  FLOW_HEADS,
  type FlowList,
  flowCells,
  flowCountLine,
  flowJson,
  listFlows,
} from './flow-view.ts';
import {
  bpffsOption,
  openPacketTablesOrExplain,
  openTablesOrExplain,
  outputOption,
} from './options.ts';
import { servicePortLookup } from './port-names.ts';
import { endQuietlyWithoutReader, writeJsonArray, writeLine } from './standard-output.ts';
import { tableLines } from './table.ts';

interface Options {
  readonly service?: string;
  readonly client?: IpAddress;
  readonly backend?: IpAddress;
  readonly state?: FlowState;
  readonly bpffs: string;
  readonly output: 'table' | 'json';
}

/** Entries read at a time. */
const PIECE = 1000;

const MORE = `
A flow is a connection to a Service of which each packet is translated: from outside of this node, or past the sockets
of its pods. Connections that pods and the node itself make are translated once, at connect(), and are not here.

SERVICE PORT - is no Service's: a connection straight to a pod, whose packets would else look like those of a flow.
SEEN AS is the source that the backend sees: an address of this node, or the client with another port; - is the
client itself. IDLE is the time since the last packet, in either direction.

STATE of TCP: opening (the client has not acknowledged the backend's answer), established, closing (one end has closed),
closed (both have, or either has reset it); of UDP and SCTP: unanswered, answered. Beside it:
  request only, reply only  one of the two entries was lost; the next packet makes it again
  over                      unused for too long; the agent takes it away within half a minute

Examples:
  signalbox flows --service default/quote
  signalbox flows --client 192.0.2.7 --state closing
  signalbox flows --backend 10.244.1.7 -o json`;

export function command(): Command {
  return new Command('flows')
    .description('the connections from outside that the kernel translates now')
    .option('--service <name>', 'only to this Service: name or namespace/name')
    .addOption(addressOption('--client', 'only from this address'))
    .addOption(addressOption('--backend', 'only to a backend with this address'))
    .addOption(new Option('--state <state>', 'only in this state').choices(FLOW_STATES))
    .addOption(bpffsOption())
    .addOption(outputOption())
    .addHelpText('after', MORE)
    .action(run);
}

function addressOption(flag: string, description: string): Option {
  return new Option(`${flag} <address>`, description).argParser((text) => {
    const address = parseAddress(text);
    if (address === undefined)
      throw new UsageError(`${flag} ${text}: not an IP address, as 192.0.2.7 or 2001:db8::7`);
    return address;
  });
}

async function run({ bpffs, output, ...filter }: Options): Promise<void> {
  const { list, capacity } = read(bpffs, filter);
  endQuietlyWithoutReader();
  if (output === 'json') {
    await writeJsonArray(list.flows.values().map(flowJson));
    return;
  }
  for (const line of tableLines(FLOW_HEADS, () => list.flows.values().map(flowCells)))
    await writeLine(line);
  await writeLine(flowCountLine(list, capacity));
}

function read(
  bpffs: string,
  filter: Omit<Options, 'bpffs' | 'output'>,
): { list: FlowList; capacity: number } {
  const tables = openTablesOrExplain(bpffs);
  const { flows, close } = openPacketTablesOrExplain(bpffs);
  try {
    const nameOf = servicePortLookup(tables.servicePorts);
    const list = listFlows(flows.batches(PIECE), nameOf, process.hrtime.bigint(), filter);
    return { list, capacity: flows.raw.maxEntries };
  } finally {
    close();
    tables.close();
  }
}
