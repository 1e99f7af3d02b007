// SPDX-License-Identifier: Apache-2.0
// `signalbox explain`: what happens to a connection, and why. Takes its facts from manifests, from the API
// server or from the running agent; the rules are the ones that the agent goes by.

import { styleText } from 'node:util';
import { Command, Option } from 'commander';
import { UsageError } from '../errors.ts';
import { printableJson } from '../printable.ts';
import type { Answer, Refusal } from './explain-answer.ts';
import { answerLines, linesOf } from './explain-batch.ts';
import {
  compareWithKernel,
  kernelDecision,
  type LookupTables,
  lookupTables,
} from './explain-kernel.ts';
import { parseQuery } from './explain-query.ts';
import { askAgent } from './explain-socket.ts';
import {
  type ApiServerOptions,
  type FactOptions,
  type Facts,
  factsFromApiServer,
  factsFromManifests,
} from './explain-sources.ts';
import { answerLine, answerText } from './explain-text.ts';
import { addNodeOptions, addressList, listed } from './node-options.ts';
import { bpffsOption, openTablesOrExplain, outputOption, requireRoot } from './options.ts';
import { endQuietlyWithoutReader, writeLine } from './standard-output.ts';
import { complain } from './terminal.ts';

interface Options extends FactOptions, ApiServerOptions {
  readonly manifests?: string;
  readonly kernel?: boolean;
  readonly bpffs: string;
  readonly output: 'table' | 'json';
}

const EXAMPLES = `
FROM is the client's address, or
  host      this node itself, by its node IP
  external  a client outside of the cluster of which no address is known
TO is PROTOCOL/ADDRESS:PORT; the protocol is tcp, udp or sctp, an IPv6 address stands in brackets.

Without --manifests and --kubeconfig the agent that runs on this node is asked (as root).

Examples:
  signalbox explain 10.244.1.7 tcp/10.96.0.10:53
  signalbox explain external tcp/192.0.2.7:30080
  signalbox explain --kubeconfig admin.conf --node-name worker-1 host udp/[fd00::a]:53
  signalbox explain --manifests services/ --node-name node-1 --node-ip 192.0.2.7 external tcp/192.0.2.7:30080
  signalbox explain --manifests services/ -o json - < queries.txt    # one FROM TO a line

Exit code 2: a query that makes no sense; of a batch, the others are answered all the same.`;

export function command(): Command {
  const explain = new Command('explain')
    .description('what happens to a connection from FROM to TO, and why')
    .argument('<from>', 'address, host or external; - reads queries from standard input')
    .argument('[to]', 'PROTOCOL/ADDRESS:PORT')
    .addOption(
      new Option('--manifests <path>', 'facts from a folder of manifests, or one file').conflicts([
        'kubeconfig',
        'master',
      ]),
    )
    .option('--kubeconfig <file>', 'facts from the API server, reached with this file')
    .option('--master <url>', 'address of the API server; overrides the kubeconfig’s')
    .option('--kernel', 'compare with the tables in the kernel (default with the running agent)')
    .option('--no-kernel', 'leave the kernel alone')
    .addOption(bpffsOption())
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action(run);
  return addNodeOptions(explain).addOption(
    new Option(
      '--local-addresses <addresses>',
      'what addresses this node has besides its node IPs',
    ).argParser(listed((text) => addressList('--local-addresses', text))),
  );
}

async function run(
  from: string,
  to: string | undefined,
  options: Options,
  command: Command,
): Promise<void> {
  const isBatch = from === '-' && to === undefined;
  if (!isBatch && to === undefined)
    throw new UsageError('explain takes two arguments, FROM and TO');
  // A question that makes no sense is told before anything is asked.
  if (to !== undefined) parseQuery(from, to);
  endQuietlyWithoutReader();
  const lines = to === undefined ? linesOf(process.stdin) : [`${from} ${to}`];
  const answers = await ask(lines, options, command);
  const print = printer(options.output, isBatch);
  const tables = looksAtKernel(options) ? openTablesOrExplain(options.bpffs) : undefined;
  const kernel = tables && lookupTables(tables);
  for await (const answer of answers) {
    await print(kernel && 'verdict' in answer ? withKernel(answer, kernel) : answer);
  }
  tables?.close();
}

/** The tables of this node have to do with the cluster of its agent; with any other only if asked. */
function looksAtKernel({ kernel, manifests, kubeconfig, master }: Options): boolean {
  return kernel ?? [manifests, kubeconfig, master].every((source) => source === undefined);
}

function withKernel(answer: Answer, tables: LookupTables): Answer {
  const decision = kernelDecision(tables, parseQuery(answer.from, answer.to), answer.origin);
  return { ...answer, kernel: compareWithKernel(answer, decision) };
}

async function ask(
  lines: AsyncIterable<string> | Iterable<string>,
  options: Options,
  command: Command,
): Promise<AsyncIterable<Answer | Refusal>> {
  const facts = await factsFrom(options);
  if (facts) {
    for (const problem of facts.problems) complain(problem);
    return answerLines(facts.cluster, facts.node, lines);
  }
  refuseNodeOptions(command);
  requireRoot();
  return askAgent(options.bpffs, lines);
}

/** @returns undefined when the agent is to be asked. */
async function factsFrom(options: Options): Promise<Facts | undefined> {
  const { manifests, kubeconfig, master } = options;
  if (manifests !== undefined) return factsFromManifests(manifests, options);
  if (kubeconfig === undefined && master === undefined) return undefined;
  return factsFromApiServer(
    { ...(kubeconfig !== undefined && { kubeconfig }), ...(master !== undefined && { master }) },
    options,
  );
}

/** The agent knows its node better: nobody should believe that an option changed the answer. */
function refuseNodeOptions(command: Command): void {
  const mine = ['bpffs', 'kernel', 'output'];
  const given = command.options.find(
    (option) =>
      !mine.includes(option.attributeName()) &&
      command.getOptionValueSource(option.attributeName()) === 'cli',
  );
  if (!given) return;
  throw new UsageError(`${given.long} is for facts from --manifests or --kubeconfig`, {
    hint: 'the agent that runs here knows its own node',
  });
}

type Print = (answer: Answer | Refusal) => Promise<void>;

function printer(output: Options['output'], isBatch: boolean): Print {
  const text = isBatch ? answerLine : answerText;
  return async (answer) => {
    if ('error' in answer) process.exitCode = 2;
    if (output === 'json') await writeLine(printableJson(JSON.stringify(answer)));
    else if ('error' in answer) complain(`${answer.query}: ${answer.error}`);
    else await writeLine(text(answer, styleText));
  };
}
