#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// `npm run demo`: the whole of Signalbox on this machine, without a cluster, told as a story. Ends with 0
// only if every chapter held.

import { readdirSync, readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { MendableError, messageOf } from '../../agent/errors.ts';
import { buildBpf } from '../../scripts/build.ts';
import { affinity } from './demo/affinity.ts';
import { agentLoss } from './demo/agent-loss.ts';
import { anotherProxy } from './demo/another-proxy.ts';
import { byHand } from './demo/by-hand.ts';
import { externalIp } from './demo/external-ip.ts';
import { ipv6 } from './demo/ipv6.ts';
import { lastPod } from './demo/last-pod.ts';
import { liveChange } from './demo/live-change.ts';
import { names } from './demo/names.ts';
import { nodePorts } from './demo/node-ports.ts';
import { outsideAddresses } from './demo/outside-addresses.ts';
import { outsideAffinity } from './demo/outside-affinity.ts';
import { outsideLocal } from './demo/outside-local.ts';
import { outsideNodePorts } from './demo/outside-node-ports.ts';
import { outsideRefusal } from './demo/outside-refusal.ts';
import { readiness } from './demo/readiness.ts';
import { refusal } from './demo/refusal.ts';
import { rollingUpdate } from './demo/rolling-update.ts';
import { type Chapter, Scene } from './demo/scene.ts';
import {
  printHeading,
  printLine,
  printNote,
  printOutput,
  printVerdict,
  showWaiting,
} from './demo/screen.ts';
import { sourceRanges } from './demo/source-ranges.ts';
import { spread } from './demo/spread.ts';
import { theCluster } from './demo/the-cluster.ts';
import { trafficPolicies } from './demo/traffic-policies.ts';
import { zones } from './demo/zones.ts';
import { findKubeProxy } from './find-program.ts';
import { Lab, requireRoot } from './lab.ts';
import { namespacePath } from './netns.ts';

const CHAPTERS: readonly Chapter[] = [
  theCluster,
  spread,
  readiness,
  liveChange,
  refusal,
  affinity,
  trafficPolicies,
  zones,
  lastPod,
  byHand,
  nodePorts,
  externalIp,
  ipv6,
  names,
  outsideNodePorts,
  outsideAddresses,
  outsideLocal,
  sourceRanges,
  outsideRefusal,
  outsideAffinity,
  rollingUpdate,
  agentLoss,
  anotherProxy,
];

/** Clients who are no part of the cluster. */
const OUTSIDERS = 2;

const MANIFESTS = new URL('kiada/', import.meta.url);

interface Options {
  readonly keep?: boolean;
  readonly kubeProxy?: string;
}

const program = new Command('demo')
  .description(
    'Signalbox at work on this machine: namespaces as nodes and pods, one real agent per node.',
  )
  .option('--keep', 'leave the cluster running until Ctrl-C')
  .option(
    '--kube-proxy <file>',
    'a kube-proxy to move from and to (default $KUBE_PROXY, one on the PATH, else rules like its own)',
  )
  .showHelpAfterError('(see --help)')
  .exitOverride();

try {
  program.parse();
  process.exitCode = (await play(program.opts<Options>())) ? 0 : 1;
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else if (error instanceof MendableError) {
    console.error(`demo: ${error.message}${error.hint ? `: ${error.hint}` : ''}`);
    process.exitCode = error.exitCode;
  } else throw error;
}

/** @returns whether every chapter held. */
async function play({ keep = false, kubeProxy: given }: Options): Promise<boolean> {
  const begun = performance.now();
  const manifests = readdirSync(MANIFESTS).map((name) =>
    readFileSync(new URL(name, MANIFESTS), 'utf8'),
  );
  const kubeProxy = findKubeProxy(given);
  requireRoot();
  buildBpf();
  const lab = await showWaiting('two nodes and their pods start', startLab(manifests));
  try {
    const startMs = performance.now() - begun;
    printLine(
      `Two nodes, their agents and ${lab.store.list('Pod').length} pods: ready after ${seconds(startMs)}.`,
    );
    const failed = await playAll(lab, kubeProxy);
    if (lab.ending.aborted) return false;
    printLine();
    const held = CHAPTERS.length - failed.length;
    printVerdict(
      failed.length === 0,
      `${held} of ${CHAPTERS.length} chapters held, ${seconds(performance.now() - begun)}`,
    );
    for (const title of failed) printOutput(`did not hold: ${title}`);
    process.exitCode = failed.length === 0 ? 0 : 1;
    if (keep) await wait(lab);
    return failed.length === 0;
  } finally {
    await showWaiting('everything is taken away again', lab.close());
  }
}

async function startLab(manifests: readonly string[]): Promise<Lab> {
  const lab = await Lab.start({ manifests, outsiders: OUTSIDERS });
  try {
    await lab.podsReady();
    return lab;
  } catch (error) {
    await lab.close();
    throw error;
  }
}

/** @returns the titles of the chapters that did not hold. */
async function playAll(lab: Lab, kubeProxy: string | undefined): Promise<string[]> {
  const failed: string[] = [];
  for (const [index, chapter] of CHAPTERS.entries()) {
    printHeading(`${index + 1}  ${chapter.title}`);
    printNote(chapter.shows);
    const scene = new Scene(lab, kubeProxy);
    try {
      await chapter.play(scene);
    } catch (error) {
      if (!lab.ending.aborted) scene.expect(false, messageOf(error));
    }
    if (lab.ending.aborted) return [...failed, chapter.title];
    if (!scene.holds) failed.push(chapter.title);
  }
  return failed;
}

/** Until Ctrl-C, which the lab itself hears. */
function wait(lab: Lab): Promise<never> {
  const pod = lab.pod('visitor-1', 'kiada');
  const [node] = lab.nodes;
  printLine('\nThe cluster stays until Ctrl-C. To look around:');
  printOutput(
    [
      `export KUBECONFIG=${lab.kubeconfig}`,
      'kubectl get pods,services,endpointslices -A -o wide',
      'kubectl -n kiada delete pod quote-001',
      `node agent/main.ts services --bpffs ${node?.bpffs}`,
      `node agent/main.ts explain ${pod.addresses.ipv4} tcp/${quoteAddress(lab)}:80 --bpffs ${node?.bpffs}`,
      `sh -c 'echo $$ > ${pod.cgroup}/cgroup.procs; exec nsenter --net=${pod.namespacePath} curl http://${quoteAddress(lab)}/'`,
      `nsenter --net=${namespacePath(lab.outsider(1).namespace)} curl http://${node?.addresses.ipv4}:${quotePort(lab)}/`,
      `node agent/main.ts flows --bpffs ${node?.bpffs}`,
      `less ${lab.directory}/agent-node-1.log`,
    ].join('\n'),
  );
  return new Promise(() => setInterval(() => {}, 60_000));
}

function quoteAddress(lab: Lab): string {
  return new Scene(lab).addressesOf('quote').ipv4;
}

function quotePort(lab: Lab): number {
  return new Scene(lab).nodePortOf('quote');
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
