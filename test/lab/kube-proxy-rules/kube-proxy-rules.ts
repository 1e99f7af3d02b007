// SPDX-License-Identifier: Apache-2.0
// A stand-in for kube-proxy that needs no binary of it: writes rules in the shape of its own for the Services of the
// moment, in any of the three ways in which nodes have them, and takes them away. Nobody keeps them in step.

import type { IpFamily } from '../../../agent/model/address.ts';
import { findProgram } from '../find-program.ts';
import type { KubeObject } from '../kube-object.ts';
import { finished } from '../run-command.ts';
import { type Place, spawnInside } from '../spawn-inside.ts';
import { SERVICE_CIDRS } from '../topology.ts';
import { iptablesScript, kubeletScript } from './iptables-rules.ts';
import { nftablesScript } from './nftables-rules.ts';
import { ruleServices } from './rule-services.ts';

/** Where rules are, in the words of `signalbox status`. */
export const RULE_KINDS = ['nftables', 'iptables-nft', 'iptables-legacy'] as const;
export type RuleKind = (typeof RULE_KINDS)[number];

const FAMILIES = [
  { family: 'IPv4', clusterCidr: '10.244.0.0/16', serviceCidr: SERVICE_CIDRS.ipv4, ip: 'ip' },
  { family: 'IPv6', clusterCidr: 'fd00:10:244::/48', serviceCidr: SERVICE_CIDRS.ipv6, ip: 'ip6' },
] as const;

export class KubeProxyRules {
  readonly #place: Place;
  readonly #kind: RuleKind;

  /** @param place on the node, in its network namespace. */
  constructor(place: Place, kind: RuleKind) {
    this.#place = place;
    this.#kind = kind;
  }

  /**
   * Writes the rules, in place of those that are there.
   *
   * @param masqueradePorts `50000-50001`, for kind nftables; default: any.
   */
  async write(objects: readonly KubeObject[], masqueradePorts?: string): Promise<void> {
    for (const context of FAMILIES) {
      const services = ruleServices(objects, context.family);
      if (this.#kind === 'nftables')
        await this.#nft(nftablesScript(services, { ...context, masqueradePorts }));
      else await this.#restore(context.family, iptablesScript(services, context));
    }
  }

  /** What kubelet has in iptables, whoever serves. */
  async writeKubelets(): Promise<void> {
    if (this.#kind === 'nftables') return;
    for (const { family } of FAMILIES) await this.#restore(family, kubeletScript(family));
  }

  /** Every rule there is, as nft or iptables-save print them. */
  async list(): Promise<string> {
    if (this.#kind === 'nftables') return this.#run('nft', ['list', 'ruleset']);
    const texts = FAMILIES.map(({ family }) => this.#run(this.#program(family, '-save'), []));
    return (await Promise.all(texts)).join('');
  }

  /** Takes everything off that is in the same tables, at once and with no regard to what goes on. */
  async clear(): Promise<void> {
    if (this.#kind === 'nftables') {
      await this.#nft(FAMILIES.map(({ ip }) => `delete table ${ip} kube-proxy`).join('\n'));
      return;
    }
    const empty = ['nat', 'filter', 'mangle'].map((table) => `*${table}\nCOMMIT\n`).join('');
    for (const { family } of FAMILIES) {
      await this.#run(this.#program(family, '-restore'), [], empty);
    }
  }

  async #nft(script: string): Promise<void> {
    await this.#run('nft', ['-f', '-'], script);
  }

  async #restore(family: IpFamily, script: string): Promise<void> {
    await this.#run(this.#program(family, '-restore'), ['--noflush'], script);
  }

  #program(family: IpFamily, suffix: '-save' | '-restore'): string {
    const form = this.#kind === 'iptables-legacy' ? 'legacy' : 'nft';
    return `${family === 'IPv4' ? 'iptables' : 'ip6tables'}-${form}${suffix}`;
  }

  async #run(program: string, args: readonly string[], input = ''): Promise<string> {
    const child = spawnInside(this.#place, [findProgram(program), ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    // A program that ends before it has read everything says why on stderr: EPIPE adds nothing.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
    const { code, stdout, stderr } = await finished(child);
    if (code !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr.trim()}\n${input}`);
    return stdout;
  }
}
