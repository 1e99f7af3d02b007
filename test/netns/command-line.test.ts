// SPDX-License-Identifier: Apache-2.0
// What a person sees who asks for something that cannot be: one line that says what and where, a second
// one that says how to mend it, and an exit code, 2 for the command line and 1 for the machine.

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { findCgroupRoot } from '../../agent/sys/cgroup.ts';
import { requireProgram } from '../helpers/requirements.ts';
import { until } from '../lab/until.ts';
import { kubeService, targetAt } from './kube-service.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { SocketProbe } from './socket-probe.ts';
import { startBackends } from './start-backends.ts';
import type { TestNode } from './test-node.ts';

/** Not the invoking user's files are the matter here, only what an unprivileged user may do. */
const AS_NOBODY = [
  'setpriv',
  '--reuid=65534',
  '--regid=65534',
  '--clear-groups',
  '--bounding-set=-all,+dac_read_search',
  '--inh-caps=+dac_read_search',
  '--ambient-caps=+dac_read_search',
];

/** The test itself may run in one. */
const OUTSIDE_OF_PODS = ['env', '-u', 'KUBERNETES_SERVICE_HOST', '-u', 'KUBERNETES_SERVICE_PORT'];

const node = nodeForFile(test, async (made) => {
  writeFileSync(path.join(made.directory, 'no-context'), 'apiVersion: v1\nkind: Config\n');
});

/** A command line that is in order, to be spoiled in one place. */
function agent(
  { manifests, cgroup, bpffs }: Pick<TestNode, 'manifests' | 'cgroup' | 'bpffs'>,
  ...more: readonly string[]
): string[] {
  const where = ['--cgroup', cgroup, '--bpffs', bpffs, '--metrics-bind-address', ''];
  return ['agent', ...(manifests ? ['--manifests', manifests] : []), ...where, ...more];
}

interface Refusal {
  readonly args: (node: TestNode) => readonly string[];
  readonly code: 1 | 2;
  readonly says: (node: TestNode) => string;
}

const NO_SOURCE = { manifests: '' };

const REFUSALS: Readonly<Record<string, Refusal>> = {
  'a kubeconfig that is not there': {
    args: (n) => agent({ ...where(n), ...NO_SOURCE }, '--kubeconfig', `${n.directory}/none`),
    code: 1,
    says: ({ directory: d }) =>
      `signalbox: kubeconfig ${d}/none: ENOENT: no such file or directory, open '${d}/none'\n` +
      '  give another file with --kubeconfig\n',
  },
  'a kubeconfig without a context': {
    args: (n) => agent({ ...where(n), ...NO_SOURCE }, '--kubeconfig', `${n.directory}/no-context`),
    code: 1,
    says: ({ directory: d }) =>
      `signalbox: kubeconfig ${d}/no-context: has no current-context\n` +
      '  choose one: kubectl config use-context NAME\n',
  },
  'no source of objects outside of a pod': {
    args: (n) => agent({ ...where(n), ...NO_SOURCE }),
    code: 1,
    says: () =>
      'signalbox: no API server: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set\n' +
      '  outside a pod, give --kubeconfig FILE or --manifests DIR\n',
  },
  'a manifest folder that is not there': {
    args: (n) => agent({ ...where(n), manifests: `${n.directory}/none` }),
    code: 1,
    says: ({ directory: d }) =>
      `signalbox: the manifest folder ${d}/none does not exist\n` +
      '  make it, and put Services and EndpointSlices into it as YAML or JSON\n',
  },
  'a manifest folder that is a file': {
    args: (n) => agent({ ...where(n), manifests: `${n.directory}/no-context` }),
    code: 1,
    says: ({ directory: d }) =>
      `signalbox: the manifest folder ${d}/no-context is not a folder\n` +
      '  make it, and put Services and EndpointSlices into it as YAML or JSON\n',
  },
  'a cgroup that is not there': {
    args: (n) => agent({ ...where(n), cgroup: `${n.cgroup}/none` }),
    code: 1,
    says: ({ cgroup: c }) =>
      `signalbox: cannot use cgroup ${c}/none: ENOENT: no such file or directory, statfs '${c}/none'\n` +
      `  name one below ${findCgroupRoot()}\n`,
  },
  'a cgroup that is another folder': {
    args: (n) => agent({ ...where(n), cgroup: n.directory }),
    code: 1,
    says: ({ directory }) =>
      `signalbox: ${directory} is not a cgroup v2 directory\n` +
      `  the hierarchy is mounted at ${findCgroupRoot()}\n`,
  },
  'a directory for pins outside of any BPF file system': {
    args: (n) => agent({ ...where(n), bpffs: `${n.directory}/pins` }),
    code: 1,
    says: ({ directory }) =>
      `signalbox: ${directory}/pins is not in a BPF file system\n` +
      '  mount one: mount -t bpf bpf /sys/fs/bpf, or name one with --bpffs DIR\n',
  },
  'tables that no agent has made': {
    args: ({ bpffs }) => ['services', '--bpffs', bpffs],
    code: 1,
    says: ({ bpffs }) =>
      `signalbox: no tables of this version are pinned in ${bpffs}\n` +
      '  start the agent (signalbox agent), or name its directory with --bpffs DIR\n',
  },
  'an unknown flag': {
    args: (n) => agent(where(n), '--nonsense'),
    code: 2,
    says: () => "error: unknown option '--nonsense'\n(see --help)\n",
  },
  'an unknown subcommand': {
    args: () => ['nonsense'],
    code: 2,
    says: () => "error: unknown command 'nonsense'\n(see --help)\n",
  },
  'two sources of objects': {
    args: (n) => agent(where(n), '--kubeconfig', 'any'),
    code: 2,
    says: () =>
      "error: option '--manifests <dir>' cannot be used with option '--kubeconfig <file>'\n(see --help)\n",
  },
  'an address for metrics that is none': {
    args: (n) => agent(where(n), '--metrics-bind-address', 'nowhere'),
    code: 2,
    says: () =>
      'signalbox: --metrics-bind-address nowhere: must be an IP address, with a port or without, as 0.0.0.0:10256\n',
  },
};

function where({ manifests, cgroup, bpffs }: TestNode) {
  return { manifests, cgroup, bpffs };
}

for (const [what, { args, code, says }] of Object.entries(REFUSALS)) {
  test.serial(`refused: ${what}`, async (t) => {
    if (!canMakeNodes(t)) return;
    const ended = await node().run([...OUTSIDE_OF_PODS, ...node().signalboxArgv(...args(node()))]);
    t.deepEqual(ended, { code, stdout: '', stderr: says(node()) });
  });
}

for (const subcommand of [
  'agent',
  'status',
  'services',
  'backends',
  'flows',
  'affinity',
  'cleanup',
]) {
  test.serial(`refused: ${subcommand} by anybody but root`, async (t) => {
    if (!canMakeNodes(t) || !requireProgram(t, 'setpriv')) return;
    const args = subcommand === 'agent' ? agent(where(node())) : [subcommand];
    t.deepEqual(await node().run([...AS_NOBODY, ...node().signalboxArgv(...args)]), {
      code: 1,
      stdout: '',
      stderr: 'signalbox: this needs root\n  run it with sudo\n',
    });
  });
}

test.serial('a broken manifest is named in status and takes nothing from the others', async (t) => {
  if (!canMakeNodes(t)) return;
  const n = node();
  n.write(
    'good',
    kubeService('good', ['10.96.0.1'], [{ protocol: 'TCP', port: 80, backends: ['10.244.1.1'] }]),
  );
  n.writeText('broken.yaml', 'kind: Service\nmetadata: {name: bad\n');
  await startBackends(n);
  await n.agent.start();
  const probe = await SocketProbe.start(n);
  const landsOn = async (address: string) => {
    const target = { kind: 'tcp', address, port: 80 } as const;
    return (await probe.repeat([target], { count: 1, timeoutMs: 5000 }))[0]?.landed;
  };
  t.is(await landsOn('10.96.0.1'), targetAt('10.244.1.1'));
  const { stdout } = await n.signalbox('status');
  t.regex(stdout, /broken\.yaml: .*line \d/);

  // A good manifest that breaks keeps what it had; mended, it is in force.
  n.writeText('good.json', '{"kind": "Service", ');
  await until('status names it', async () => {
    return (await n.signalbox('status')).stdout.includes('good.json');
  });
  t.is(await landsOn('10.96.0.1'), targetAt('10.244.1.1'));
  n.writeText('broken.yaml', '');
  n.write(
    'good',
    kubeService('good', ['10.96.0.1'], [{ protocol: 'TCP', port: 80, backends: ['10.244.1.2'] }]),
  );
  await until(
    'all is in order',
    async () => !/\.(json|yaml)/.test((await n.signalbox('status')).stdout),
  );
  t.is(await landsOn('10.96.0.1'), targetAt('10.244.1.2'));
});
