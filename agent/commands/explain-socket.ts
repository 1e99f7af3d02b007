// SPDX-License-Identifier: Apache-2.0
// `explain` asks the running agent: both ends of POST /explain on its status socket. A query a line goes in, an
// answer in JSON a line comes out, in order and as they are asked.

import { once } from 'node:events';
import type { ClientRequest, IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { EnvironmentError, messageOf } from '../errors.ts';
import type { ClusterView } from '../model/explain-index.ts';
import type { NodeFacts } from '../model/node-facts.ts';
import { http } from '../node-http.ts';
import { statusSocketPath } from '../telemetry/status-socket.ts';
import type { Answer, Refusal } from './explain-answer.ts';
import { answerLines, linesOf, MAX_QUERY_CHARS } from './explain-batch.ts';

export const EXPLAIN_PATH = '/explain';

const JSON_LINES = 'application/x-ndjson';

/** An agent begins its answer before it has read a query; one that is stopped or stuck never does. */
const PATIENCE_MS = 5000;

export interface Explained {
  readonly cluster: ClusterView & { readonly synced: boolean };
  /** What is known of the node now. */
  readonly node: () => NodeFacts;
}

/** Answers POST {@link EXPLAIN_PATH} from what the agent knows at that moment. Never throws. */
export function explainHandler({ cluster, node }: Explained): RequestListener {
  return (request, response) => {
    if (request.method !== 'POST') {
      refuse(response, 405, 'POST queries, one FROM TO a line');
    } else if (!cluster.synced) {
      refuse(response, 503, 'the objects have not been listed completely yet');
    } else {
      // A client that goes away in the middle is no matter.
      answer(request, response, cluster, node()).catch(() => response.destroy());
    }
  };
}

/**
 * What the agent that keeps the tables in `bpffs` answers to `lines`.
 *
 * @throws EnvironmentError when none does.
 */
export async function* askAgent(
  bpffs: string,
  lines: AsyncIterable<string> | Iterable<string>,
): AsyncGenerator<Answer | Refusal> {
  const request = http.request({
    socketPath: statusSocketPath(bpffs),
    path: EXPLAIN_PATH,
    method: 'POST',
    headers: { 'Content-Type': 'text/plain' },
  });
  // What goes wrong is told by what is waited for.
  const quiet = () => {};
  request.on('error', quiet);
  request.flushHeaders();
  try {
    const response = responseTo(request, bpffs);
    pipeline(Readable.from(terminated(lines)), request).catch(quiet);
    (await response).on('error', quiet);
    yield* answersIn(await response, bpffs);
  } finally {
    request.destroy();
  }
}

async function* answersIn(
  response: IncomingMessage,
  bpffs: string,
): AsyncGenerator<Answer | Refusal> {
  try {
    for await (const line of linesOf(response)) yield JSON.parse(line) as Answer | Refusal;
  } catch (cause) {
    throw new EnvironmentError(
      `the agent for the tables in ${bpffs} hung up: ${messageOf(cause)}`,
      { cause, hint: 'see its log' },
    );
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  cluster: ClusterView,
  node: NodeFacts,
): Promise<void> {
  response.writeHead(200, { 'Content-Type': JSON_LINES });
  response.flushHeaders();
  for await (const one of answerLines(cluster, node, linesOf(request, MAX_QUERY_CHARS))) {
    if (!response.write(`${JSON.stringify(one)}\n`)) await once(response, 'drain');
  }
  response.end();
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain' });
  response.end(message);
}

async function responseTo(request: ClientRequest, bpffs: string): Promise<IncomingMessage> {
  const hint =
    'start it (signalbox agent), name its directory with --bpffs DIR, or ask without it: --manifests DIR, --kubeconfig FILE';
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const [response] = await once(request, 'response', { signal }).catch((cause: unknown) => {
    if (signal.aborted) {
      throw new EnvironmentError(
        `the agent for the tables in ${bpffs} does not answer within ${PATIENCE_MS / 1000} s`,
        { cause, hint: 'it is stopped, or has no CPU: see its log, or end it' },
      );
    }
    throw new EnvironmentError(`no agent for the tables in ${bpffs} answers: ${messageOf(cause)}`, {
      cause,
      hint,
    });
  });
  if (response.statusCode === 200 && response.headers['content-type'] === JSON_LINES) {
    return response;
  }
  const said = (await response.setEncoding('utf8').toArray()).join('');
  throw new EnvironmentError(
    response.statusCode === 200
      ? `the agent for the tables in ${bpffs} is of an older version, which does not explain`
      : `the agent for the tables in ${bpffs} does not explain: ${said}`,
    { hint },
  );
}

async function* terminated(
  lines: AsyncIterable<string> | Iterable<string>,
): AsyncGenerator<string> {
  for await (const line of lines) yield `${line}\n`;
}
