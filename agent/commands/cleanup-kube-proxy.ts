// SPDX-License-Identifier: Apache-2.0
// `signalbox cleanup --kube-proxy`: takes kube-proxy's rules off a node that Signalbox serves. What they have
// translated goes on until it ends: the agent sees to that, and to whoever would be left without a translation.

import { setTimeout as sleep } from 'node:timers/promises';
import { EnvironmentError } from '../errors.ts';
import {
  findKubeProxyRules,
  formatFamily,
  formatFound,
  type RemovedRules,
  removeKubeProxyRules,
} from '../reconcile/kube-proxy-rules.ts';
import { keepNat } from '../reconcile/nat-keeper.ts';
import { readNode } from '../sys/datapath.ts';
import { NodeFlags } from '../sys/layout.gen.ts';
import { Pins } from '../sys/pins.ts';
import { processesNamed } from '../sys/processes.ts';
import { fetchStatus } from '../telemetry/status-socket.ts';
import { kubeProxyLines } from './kube-proxy-lines.ts';
import { askForLook } from './kube-proxy-socket.ts';
import { complain, say } from './terminal.ts';

const KNOWN_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 20;

const FORWARD_DROPS =
  'the policy of chain FORWARD is DROP, and kube-proxy’s rules, which accepted what goes to Services, are gone: those of the CNI must';

export interface CleanupKubeProxyOptions {
  readonly bpffs: string;
  /** Without an agent that is well, too. */
  readonly force: boolean;
  readonly proc: string;
}

/** @throws EnvironmentError when it may not be, or could not be. */
export async function cleanupKubeProxy(options: CleanupKubeProxyOptions): Promise<void> {
  const { bpffs, force, proc } = options;
  const { rules, hasIpvs, problems } = await findKubeProxyRules();
  for (const problem of problems) complain(problem);
  if (hasIpvs) throw ipvs();
  if (rules.length === 0) {
    if (problems.length)
      throw new EnvironmentError('what could be looked at has no rules of kube-proxy');
    say('no rules of kube-proxy here');
  } else {
    if (!force) await requireGoodAgent(bpffs);
    warnOfProcess(proc);
    // The agent is told first: from then on its programs leave alone what they do not know.
    if ((await askForLook(bpffs)) !== undefined) await programsKnow(bpffs);
    await keepNat(rules.map(({ family }) => family));
    for (const removed of await removeKubeProxyRules(rules)) say(linesOf(removed));
  }
  const left = await askForLook(bpffs);
  say(kubeProxyLines(left ?? undefined).join('\n') || 'nothing is left of it');
}

/** The agent writes what it has found a moment later. */
async function programsKnow(bpffs: string): Promise<void> {
  const pins = new Pins(bpffs);
  for (let i = 0; i < KNOWN_WITHIN_MS / LOOK_EVERY_MS; i++) {
    if ((readNode(pins)?.flags ?? 0) & NodeFlags.BESIDE) return;
    await sleep(LOOK_EVERY_MS);
  }
  throw new EnvironmentError('the agent does not write what it has found', {
    hint: 'signalbox status tells more',
  });
}

/** Connections to Services would fail from then on. */
async function requireGoodAgent(bpffs: string): Promise<void> {
  const agent = await fetchStatus(bpffs);
  const hint = 'signalbox status tells more; --force removes the rules nevertheless';
  if (!agent) {
    throw new EnvironmentError(
      `no agent serves in kube-proxy's place (none answers for ${bpffs})`,
      {
        hint: `start it (signalbox agent), or name its directory with --bpffs DIR; --force removes the rules nevertheless`,
      },
    );
  }
  if (agent.selfTest !== 'passed') {
    throw new EnvironmentError(
      `the agent has not proven that it serves: self-test ${agent.selfTest}`,
      {
        hint,
      },
    );
  }
  const [problem] = agent.problems;
  if (problem !== undefined)
    throw new EnvironmentError(`the agent is not well: ${problem}`, { hint });
}

function warnOfProcess(proc: string): void {
  const [pid] = processesNamed('kube-proxy', proc);
  if (pid === undefined) return;
  complain(
    `kube-proxy still runs (pid ${pid}) and will put its rules back: end it (kubectl -n kube-system delete daemonset kube-proxy)`,
  );
}

function linesOf({ backend, family, rules, chains, kept, forwardDrops }: RemovedRules): string {
  const inChains = chains ? ` in ${chains} chains` : '';
  return [
    `removed ${rules} rules${inChains}: ${formatFound([{ backend, family }])}`,
    ...kept.map(
      ({ chain, rule }) =>
        `left chain ${chain} (${formatFamily({ family })}), to which a rule of somebody else leads: ${rule}`,
    ),
    ...(forwardDrops ? [`${formatFamily({ family })}: ${FORWARD_DROPS}`] : []),
  ].join('\n');
}

function ipvs(): EnvironmentError {
  return new EnvironmentError(
    'kube-proxy is in its mode ipvs (there is a device kube-ipvs0), and its connections would not outlive it',
    {
      hint: 'drain the node (kubectl drain), end kube-proxy there and run kube-proxy --cleanup; see docs/migrating.md',
    },
  );
}
