// SPDX-License-Identifier: Apache-2.0
// The tables of docs/configuration.md: every flag of `signalbox agent` and every key of its file, from where the agent
// itself has them.

import { agentCommand } from '../../agent/commands/agent-options.ts';
import type { KubeProxyOption } from '../../agent/config/kube-proxy-option.ts';
import { OPTION_SECTIONS, OPTIONS, optionOfFlag, textOf } from '../../agent/config/options.ts';

export function configurationTables(): string {
  return [
    '## Flags of Signalbox\n',
    ownTable(),
    '## What kube-proxy has, and has an effect here\n',
    ...OPTION_SECTIONS.flatMap(([title, options]) => [`### ${title}\n`, honouredTable(options)]),
    '## Taken, and without effect\n',
    table(
      ['flag', 'key', 'default', 'why'],
      OPTIONS.filter(({ does, gone }) => !does && !gone).map((option) => [
        ...names(option),
        option.notice ?? '',
      ]),
    ),
    '## Flags of the past\n',
    'No longer kube-proxy’s; taken with a notice for the sake of old manifests.\n',
    table(
      ['flag', 'why'],
      OPTIONS.filter(({ gone }) => gone).map(({ flag, notice }) => [
        code(`--${flag}`),
        notice ?? '',
      ]),
    ),
  ].join('\n');
}

function ownTable(): string {
  const own = agentCommand().options.filter(
    ({ long }) => long && !optionOfFlag(long.replace(/^--/, '')),
  );
  return table(
    ['flag', 'what it does'],
    own.map(({ flags, description, argChoices, defaultValue, defaultValueDescription }) => {
      const standard = defaultValueDescription ?? defaultValue;
      return [
        code(flags),
        `${description}${argChoices ? `: ${argChoices.map(code).join(', ')}` : ''}${
          standard === undefined ? '' : ` (default: ${standard})`
        }`,
      ];
    }),
  );
}

function honouredTable(options: readonly KubeProxyOption[]): string {
  return table(
    ['flag', 'key', 'default', 'what it does'],
    options
      .filter(({ does }) => does)
      .map((option) => [
        ...names(option),
        `${option.does}${option.besideConfig && option.key ? '. The flag counts beside a file' : ''}`,
      ]),
  );
}

function names(option: KubeProxyOption): string[] {
  const { flag, short, key, kind } = option;
  const standard = textOf(option, option.default);
  const isSaid = !['', '[]', '{}'].includes(standard) && !(kind === 'bool' && standard === 'false');
  return [
    flag ? code(`${short ? `-${short}, ` : ''}--${flag}`) : '',
    key ? code(key) : '',
    isSaid ? code(standard) : '',
  ];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`.replaceAll(/ {2,}/g, ' ');
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line), ''].join('\n');
}

function code(text: string): string {
  return `\`${text}\``;
}
