// SPDX-License-Identifier: Apache-2.0
// Many queries, a line each, answered in order and one at a time: what is read is never more than what is
// answered. Used by `explain -` and by the agent's socket.

import type { Readable } from 'node:stream';
import { UsageError } from '../errors.ts';
import { Explainer } from '../model/explain.ts';
import type { ClusterView } from '../model/explain-index.ts';
import type { NodeFacts } from '../model/node-facts.ts';
import { type Answer, answerOf, type Refusal } from './explain-answer.ts';
import { parseQueryLine } from './explain-query.ts';

/** So many answers in one go, then whoever else waits for this thread has it: a few milliseconds. */
const IN_ONE_GO = 100;

/** No query is so long. */
export const MAX_QUERY_CHARS = 65_536;

/**
 * The lines of `input`, a last one without its end too. (node:readline throws what its input meets at nobody
 * once its reader has left.)
 *
 * @param maxChars longer lines end there; of the rest nothing is kept.
 */
export async function* linesOf(
  input: Readable,
  maxChars = Number.POSITIVE_INFINITY,
): AsyncGenerator<string> {
  let begun = '';
  for await (const chunk of input.setEncoding('utf8')) {
    const parts: string[] = chunk.split('\n');
    const last = parts.pop() ?? '';
    for (const part of parts) {
      yield cut(begun + part, maxChars);
      begun = '';
    }
    begun = cut(begun + last, maxChars);
  }
  if (begun !== '') yield begun;
}

function cut(line: string, maxChars: number): string {
  return line.length > maxChars ? line.slice(0, maxChars) : line;
}

/** Answers about the cluster as it is now. A line that is no query costs only itself. */
export async function* answerLines(
  cluster: ClusterView,
  node: NodeFacts,
  lines: AsyncIterable<string> | Iterable<string>,
): AsyncGenerator<Answer | Refusal> {
  const explainer = new Explainer(cluster, node);
  let count = 0;
  for await (const line of lines) {
    const query = line.trim();
    if (query === '' || query.startsWith('#')) continue;
    yield answerLine(explainer, node, query);
    if (++count % IN_ONE_GO === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

function answerLine(explainer: Explainer, node: NodeFacts, query: string): Answer | Refusal {
  try {
    return answerOf(explainer.explain(parseQueryLine(query)), node);
  } catch (error) {
    if (error instanceof UsageError) return { query, error: error.message };
    throw error;
  }
}
