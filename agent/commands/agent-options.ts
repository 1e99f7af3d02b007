// SPDX-License-Identifier: Apache-2.0
// The command line of `signalbox agent`: its own options first, then kube-proxy's, made from the table in
// config/options.ts and read as Go's pflag reads them: `--flag=false`, `-v=2`, underscores in place of dashes.

import { Command, Option } from 'commander';
import type { KubeProxyOption } from '../config/kube-proxy-option.ts';
import { OPTION_SECTIONS, OPTIONS, textOf } from '../config/options.ts';
import type { RawFlags } from '../config/read-flags.ts';
import { kindOf } from '../config/value-kinds.ts';
import { wordsOf } from '../config/words.ts';
import { UsageError } from '../errors.ts';
import { parseDeviceNames } from '../model/device-choice.ts';
import { parseTableSize, SIZED_TABLES, type TableSizes } from '../model/table-sizes.ts';
import type { TcAttachMode } from '../sys/packet-programs.ts';
import { LOG_LEVELS, type LogLevel } from '../telemetry/log.ts';
import { addOwnNodeOptions, type NodeOptions } from './node-options.ts';
import { bpffsOption, procOption } from './options.ts';

export interface AgentOptions
  extends Pick<
    NodeOptions,
    'nodeName' | 'nodeIp' | 'serviceCidr' | 'externalIpCidrs' | 'masqueradePorts'
  > {
  readonly manifests?: string;
  readonly proc: string;
  readonly cgroup?: string;
  readonly bpffs: string;
  readonly devices?: readonly string[];
  readonly podDevices: readonly string[];
  readonly tcAttach: TcAttachMode;
  readonly tableSize?: TableSizes;
  readonly takeOverFromKubeProxy?: boolean;
  readonly logLevel?: LogLevel;
}

const DESCRIPTION = `Watches Services and keeps this node’s datapath in step with them. Takes kube-proxy’s flags and its configuration file.

As kube-proxy’s DaemonSet says it:
  signalbox agent --config=FILE --hostname-override=NAME
With a kubeconfig, and with no cluster at all:
  signalbox agent --kubeconfig FILE
  signalbox agent --manifests DIRECTORY`;

/**
 * As pflag with Kubernetes' normalizer: names of flags may have underscores, a short flag an equals sign, and the value
 * of a truth stands behind one.
 */
class AgentCommand extends Command {
  override createHelp() {
    return Object.assign(super.createHelp(), {
      optionTerm: ({ flags }: Option) => flags.replace(' [bool]', ''),
      optionDescription: (option: Option) => {
        const { description, argChoices: choices, defaultValueDescription: said } = option;
        const standard = said ?? option.defaultValue;
        return `${description}${choices ? `: ${choices.join(', ')}` : ''}${
          standard === undefined ? '' : ` (default: ${standard})`
        }`;
      },
    });
  }

  override parseOptions(args: string[]) {
    return super.parseOptions(
      args.map((arg) => {
        const written = arg
          .replace(/^--[^=]+/, (name) => name.replaceAll('_', '-'))
          .replace(/^-v=/, '-v');
        // A truth never takes the next word.
        return this.options.some(({ long, optional }) => optional && long === written)
          ? `${written}=true`
          : written;
      }),
    );
  }
}

export function agentCommand(): Command {
  const agent = new AgentCommand('agent')
    .summary('watch Services and keep this node’s datapath in step with them')
    .description(DESCRIPTION)
    .usage('[options]')
    .optionsGroup('Flags of Signalbox:')
    .addOption(
      new Option('--manifests <dir>', 'no cluster: watch a folder of YAML manifests').conflicts([
        'kubeconfig',
        'master',
      ]),
    )
    .option(
      '--cgroup <dir>',
      'cgroup v2 directory whose processes are served (default: the root, wherever mounted)',
    )
    .addOption(bpffsOption())
    .addOption(procOption())
    .addOption(
      new Option(
        '--devices <names>',
        "network devices on which packets from outside are served, as eth0,bond*; '' for none (default: all with a default route or a global address, and tunnels)",
      ).argParser((text: string) => deviceNames('--devices', text)),
    )
    .addOption(
      new Option(
        '--pod-devices <names>',
        'the node’s ends of pods’ devices to be served too, as veth*, for pods that do not use its sockets',
      )
        .argParser((text: string) => deviceNames('--pod-devices', text))
        .default([], 'none'),
    )
    .addOption(
      new Option('--tc-attach <way>', 'how programs are attached to devices')
        .choices(['auto', 'tcx', 'clsact'])
        .default('auto'),
    )
    .addOption(
      new Option(
        '--table-size <name=entries>',
        `entries of a table, as members=262144; again and again, or with commas (docs/capacity.md). Tables: ${SIZED_TABLES.join(', ')}`,
      ).argParser(tableSizes),
    )
    .addOption(
      new Option(
        '--take-over-from-kube-proxy [bool]',
        'remove kube-proxy’s rules once this agent is ready, has passed its self-test, and no kube-proxy runs on the node',
      ).argParser((text: string) => truth('--take-over-from-kube-proxy', text)),
    )
    .addOption(
      new Option(
        '--log-level <level>',
        'least level to log (default: info, or what -v says)',
      ).choices(LOG_LEVELS),
    );
  addOwnNodeOptions(agent).helpOption('-h, --help', 'display help for command');
  for (const [title, options] of OPTION_SECTIONS) {
    agent.optionsGroup(`Flags of kube-proxy: ${title.toLowerCase()}`);
    for (const option of options) {
      if (option.flag !== undefined) agent.addOption(commanderOption(option));
    }
  }
  return agent.addHelpText('after', `\n${withoutEffect()}`);
}

/** What stood behind each of kube-proxy's flags, from what commander made of them. */
export function rawFlags(options: Readonly<Record<string, unknown>>): RawFlags {
  return Object.fromEntries(
    OPTIONS.flatMap((option) => {
      const texts = textsOf(option.flag && options[commanderOption(option).attributeName()]);
      return texts.length ? [[option.flag, texts]] : [];
    }),
  );
}

/** A flag without a value is `true`, and it is what stands last that counts. */
function textsOf(value: unknown): readonly string[] {
  return value === true ? ['true'] : Array.isArray(value) ? value : [];
}

function commanderOption(option: KubeProxyOption): Option {
  const { flag, short, kind, does, placeholder = kindOf(kind).placeholder } = option;
  const isBool = kind === 'bool' || flag === 'version';
  const name = `${short ? `-${short}, ` : ''}--${flag}${isBool ? ' [bool]' : ` <${placeholder}>`}`;
  // The first sentence; docs/configuration.md has the rest.
  const made = new Option(name, `${does?.split(';')[0]}${defaultOf(option)}`)
    .argParser((text: string, before: unknown) => [...textsOf(before), text])
    .hideHelp(does === undefined);
  if (flag === 'hostname-override') made.conflicts('nodeName');
  return made;
}

function defaultOf(option: KubeProxyOption): string {
  const text = textOf(option, option.default);
  return ['', 'false', '[]', '{}', '0', '0s'].includes(text) ? '' : ` (default: ${text})`;
}

function withoutEffect(): string {
  const flags = OPTIONS.filter(({ flag, does, gone }) => flag && !does && !gone);
  return [
    'Taken too, and without effect here; a line of the log says why:',
    ...wrapped(flags.map(({ flag }) => `--${flag}`)),
    'docs/configuration.md has all of them, and the keys of the file.',
  ].join('\n');
}

function wrapped(words: readonly string[]): string[] {
  const lines = [''];
  for (const word of words) {
    if (`${lines.at(-1)} ${word}`.length > 100) lines.push('');
    lines.push(`${lines.pop() ?? ''} ${word}`);
  }
  return lines.map((line) => ` ${line}`);
}

/** @throws UsageError */
function truth(option: string, text: string): boolean {
  const is = kindOf('bool').fromFlag(text, undefined);
  if (typeof is !== 'boolean') throw new UsageError(`${option} ${text}: ${is?.message}`);
  return is;
}

/** Of a table that is named twice, the last one counts. @throws UsageError */
function tableSizes(text: string, before: TableSizes = new Map()): TableSizes {
  const sizes = new Map(before);
  for (const word of wordsOf(text)) {
    const size = parseTableSize(word);
    if ('invalid' in size) throw new UsageError(`--table-size ${size.invalid}`);
    sizes.set(...size);
  }
  return sizes;
}

/** @throws UsageError */
function deviceNames(option: string, text: string): readonly string[] {
  const names = parseDeviceNames(text);
  if ('invalid' in names) throw new UsageError(`${option}: ${names.invalid}`);
  return names;
}
