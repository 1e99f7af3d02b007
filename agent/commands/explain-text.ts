// SPDX-License-Identifier: Apache-2.0
// An answer for a person: the verdict first, then the facts, the tables, the reason and what to do next.

import { formatEndpoint, type IpAddress } from '../model/address.ts';
import type { DialledFrontend, Masquerade, Verdict } from '../model/explanation.ts';
import { printable } from '../printable.ts';
import type { Answer, AnswerBackend, KernelAnswer } from './explain-answer.ts';
import { formatTable } from './table.ts';

type Colour = 'green' | 'red' | 'yellow' | 'bold';

/** Puts colour on a text, or leaves it alone: `styleText` of node:util where there is a terminal. */
export type Style = (colour: Colour, text: string) => string;

/** Longer tables are cut: what matters must stay on the screen. `-o json` has all of it. */
const SHOWN_ROWS = 15;

const LABEL_WIDTH = 11;

const VERDICT_COLOURS: Readonly<Record<Verdict, Colour>> = {
  forward: 'green',
  reject: 'red',
  drop: 'red',
  pass: 'yellow',
};

const ORIGINS: Readonly<Record<Answer['origin'], string>> = {
  pod: 'a pod',
  host: 'this node itself',
  external: 'outside of the cluster',
};

export function answerText(answer: Answer, style: Style): string {
  const blocks = [
    headline(answer, style),
    facts(answer).join('\n'),
    backendTable(answer.backends),
    table(
      ['LEFT OUT', 'WHY'],
      answer.excluded.map((one) => [endpointText(one), one.reason]),
    ),
    [answer.reason, ...answer.hints.map((hint) => `  -> ${hint}`)].map(printable).join('\n'),
  ];
  return blocks.filter(Boolean).join('\n\n');
}

/** One line for an answer among many. */
export function answerLine({ from, to, verdict, reason, kernel }: Answer, style: Style): string {
  const differences = kernel?.differences.length
    ? ` Kernel: ${kernel.differences.join(', ')}.`
    : '';
  const text = printable(`${from} ${to}  ${reason}${differences}`);
  return `${style(VERDICT_COLOURS[verdict], verdict.padEnd(7))} ${text}`;
}

/** Weights only where they say something. */
function backendTable(backends: readonly AnswerBackend[]): string {
  const areWeighted = backends.some(({ weight }) => weight !== backends[0]?.weight);
  return table(
    ['BACKEND', 'NODE', 'ZONE', 'LOCAL', ...(areWeighted ? ['WEIGHT'] : [])],
    backends.map((backend) => [
      endpointText(backend),
      backend.node ?? '-',
      backend.zone ?? '-',
      backend.local ? 'yes' : 'no',
      ...(areWeighted ? [String(backend.weight)] : []),
    ]),
  );
}

function headline(answer: Answer, style: Style): string {
  const { verdict, from, to } = answer;
  const word = style('bold', style(VERDICT_COLOURS[verdict], verdict.toUpperCase()));
  return `${word}  ${printable(`${from} -> ${to}`)}: ${OUTCOMES[verdict](answer)}`;
}

/** On sockets of this node the client is told what packets from outside meet as silence (semantics 1.20). */
const OUTCOMES: Readonly<Record<Verdict, (answer: Answer) => string>> = {
  forward: ({ backends: { length } }) =>
    length === 1 ? 'goes to one backend' : `goes to one of ${length} backends`,
  reject: () => 'connection refused',
  drop: ({ origin }) => (origin === 'external' ? 'no answer' : 'no route to host'),
  pass: () => 'not ours, goes where it would go anyway',
};

function facts(answer: Answer): string[] {
  const { service, frontend, affinity, verdict } = answer;
  return [
    line('From', clientText(answer)),
    ...(service === null ? [] : [line('Service', serviceText(answer))]),
    ...(frontend === null ? [] : [line('Frontend', frontendText(frontend))]),
    ...(frontend === null ? [] : [line('Policy', policyText(answer, frontend.kind))]),
    ...(affinity ? [line('Affinity', `${affinity.type}, for ${affinity.timeoutSeconds} s`)] : []),
    ...(answer.balancing ? [line('Balancing', balancingText(answer.balancing, answer))] : []),
    ...(verdict === 'forward' ? [line('SNAT', snatText(answer))] : []),
    ...(answer.kernel ? kernelLines(answer.kernel) : []),
  ];
}

function kernelLines({ agrees, hasProgram, differences }: KernelAnswer): string[] {
  if (agrees && !hasProgram) {
    return [line('Kernel', 'holds the same, but no program acts on SCTP sockets of this node')];
  }
  if (agrees) return [line('Kernel', 'does the same')];
  return [
    line('Kernel', 'does otherwise, or is just being written:'),
    ...differences.map((difference) => line('', difference)),
  ];
}

function clientText({ from, origin }: Answer): string {
  if (from === origin) return ORIGINS[origin];
  // It may well be a pod, of another node or of a range that nobody has named.
  return origin === 'external'
    ? `${from}, from outside: no address of this node, and in no pod CIDR`
    : `${from}, ${ORIGINS[origin]}`;
}

function serviceText({ service, servicePort }: Answer): string {
  return servicePort ? `${service}, port ${servicePort}` : `${service}`;
}

function frontendText({ kind, address, port, protocol }: DialledFrontend): string {
  return `${kind} ${formatEndpoint(address, port)}/${protocol}`;
}

function policyText({ policy, shortCircuit, topology }: Answer, kind: string): string {
  const field = kind === 'clusterIP' ? 'internalTrafficPolicy' : 'externalTrafficPolicy';
  return [
    `${field} ${policy}`,
    ...(shortCircuit ? ['which does not bind this client'] : []),
    ...(topology === 'none' ? [] : [`narrowed by hints for this ${topology}`]),
  ].join(', ');
}

/** A place of a Maglev table is found by the hash of a packet's connection; a socket takes any. */
function balancingText(
  { type, slots }: NonNullable<Answer['balancing']>,
  { origin, backends }: Answer,
): string {
  const isTable = slots !== backends.length;
  if (type === 'maglev' && origin === 'external') {
    return isTable
      ? `Maglev, by the hash of the connection in a table of ${slots} places`
      : 'Maglev, of one backend';
  }
  if (type === 'maglev') return 'at random: Maglev is for packets from outside';
  return isTable ? 'at random, by weight' : 'at random';
}

const SNAT_REASONS: Readonly<Record<`snat-${Masquerade}`, string>> = {
  'snat-hairpin': 'the client is the backend itself',
  'snat-masquerade-all': 'all traffic to clusterIPs is masqueraded',
  'snat-not-a-pod': 'traffic to a clusterIP, and the client is no pod',
  'snat-external-traffic': 'externalTrafficPolicy is Cluster',
  'snat-from-this-node': 'the client is this node itself',
};

/** What happens here, and where kube-proxy's rules say otherwise (semantics 1.7). */
function snatText({ snat, codes, origin, backends }: Answer): string {
  const reasons = Object.entries(SNAT_REASONS).flatMap(([code, reason]) =>
    codes.includes(code) ? reason : [],
  );
  if (origin !== 'external') {
    return snat
      ? `no, a socket on this node keeps its own address; kube-proxy would replace it: ${reasons}`
      : 'no, the backend sees the client’s own address';
  }
  const seen = new Set(backends.map(({ sees }) => sees));
  if (!seen.has('client')) return 'yes, the backend sees an address of this node';
  const keptByUs = snat ? `; kube-proxy would replace it: ${reasons}` : '';
  return seen.has('node')
    ? `a backend on this node sees the client’s own address, another one an address of this node${keptByUs}`
    : `no, the backend sees the client’s own address${keptByUs}`;
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  if (!rows.length) return '';
  const left = rows.length - SHOWN_ROWS;
  const shown = formatTable(heads, left > 1 ? rows.slice(0, SHOWN_ROWS) : rows);
  return left > 1 ? `${shown}\n... and ${left} more (-o json has them)` : shown;
}

function endpointText({ address, port }: Pick<AnswerBackend, 'address' | 'port'>): string {
  return formatEndpoint(address as IpAddress, port);
}

function line(label: string, text: string): string {
  return `${label.padEnd(LABEL_WIDTH)}${printable(text)}`;
}
