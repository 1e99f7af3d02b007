// SPDX-License-Identifier: Apache-2.0
// `signalbox explain` as a chapter asks it: on the screen what a person would look at first, and for the
// chapter the answer as data, to hold against what the traffic did.

import type { Answer } from '../../../agent/commands/explain-answer.ts';
import { askAgent } from '../../../agent/commands/explain-socket.ts';
import { answerText } from '../../../agent/commands/explain-text.ts';
import type { AgentProcess } from '../agent-process.ts';
import type { Target } from '../apps/request.ts';
import type { RequestResult } from '../apps/request-report.ts';
import { formatHostPort } from '../host-port.ts';
import { podStatus } from '../pod-object.ts';
import type { Scene } from './scene.ts';

const KERNEL = /^Kernel/;

/**
 * Runs the command on a node and shows its first line, what it says of the kernel, the lines that match `also`,
 * its reason and what comes after that. The kernel must agree.
 *
 * @param from an address or `host`.
 */
export async function explain(
  scene: Scene,
  node: 1 | 2,
  from: string,
  to: Target,
  also?: RegExp,
): Promise<Answer> {
  const agent = agentOf(scene, node);
  scene.command(`signalbox explain ${from} ${destination(to)}     (on ${agent.node.name})`);
  const { code, stdout, stderr } = await agent.run('explain', '-o', 'json', from, destination(to));
  if (code !== 0) throw new Error(stderr.trim());
  const answer = JSON.parse(stdout) as Answer;
  scene.output(tellingLines(answer, also));
  const { agrees, differences } = answer.kernel ?? {
    differences: ['the kernel was not looked at'],
  };
  if (!agrees) scene.expect(false, differences.join(', '));
  return answer;
}

/** What the agent of a node says at this moment, without a word on the screen: for waiting. */
export async function ask(scene: Scene, node: 1 | 2, from: string, to: Target): Promise<Answer> {
  const { bpffs } = agentOf(scene, node).node;
  const query = `${from} ${destination(to)}`;
  const { value } = await askAgent(bpffs, [query]).next();
  if (!value || 'error' in value) throw new Error(`${query}: ${value?.error ?? 'no answer'}`);
  return value;
}

/**
 * Holds the backends of an answer against the pods that served: with enough requests each of them has, unless
 * affinity kept the client to one.
 */
export function expectAgreement(
  scene: Scene,
  answer: Answer,
  { byPod, failures }: RequestResult,
): void {
  const explained = answer.backends.map(({ address }) => podAt(scene, address)).toSorted();
  const served = Object.keys(byPod).toSorted();
  const expected = answer.affinity ? explained.filter((pod) => served.includes(pod)) : explained;
  const agree = served.length > 0 && expected.join() === served.join() && failures.length === 0;
  const words = answer.affinity ? 'explain has it among' : 'explain says the same:';
  scene.expect(agree, `${agree ? words : 'explain says'} ${explained.join(', ') || 'nobody'}`);
}

/** `tcp/10.96.0.10:80` */
function destination({ host, port = 80 }: Target): string {
  return `tcp/${formatHostPort(host, port)}`;
}

function agentOf({ lab }: Scene, node: 1 | 2): AgentProcess {
  const agent = lab.agents[node - 1];
  if (!agent) throw new Error('the lab runs without agents');
  return agent;
}

/** Of the text that the command prints of the same answer without `-o json`: blocks with empty lines between them. */
function tellingLines(answer: Answer, also: RegExp | undefined): string {
  const [first = '', ...blocks] = answerText(answer, (_, text) => text).split('\n\n');
  const why = blocks.filter((block) => block.includes(answer.reason));
  const others = blocks
    .filter((block) => !why.includes(block))
    .flatMap((block) => block.split('\n'));
  return [first, ...others.filter((line) => KERNEL.test(line) || also?.test(line)), ...why].join(
    '\n',
  );
}

/** The name of the pod that has an address; the address itself when none has. */
function podAt({ lab }: Scene, address: string): string {
  const pods = lab.store.list('Pod');
  const pod = pods.find((each) => podStatus(each).podIPs?.some(({ ip }) => ip === address));
  return pod?.metadata.name ?? address;
}
