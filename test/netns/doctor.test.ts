// SPDX-License-Identifier: Apache-2.0
// `signalbox doctor` on a node: says what is wrong there, and leaves nothing behind.

import { readdirSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Status } from '../../agent/telemetry/status.ts';
import { faultTest } from '../faults/fault-test.ts';
import { output } from './device-programs.ts';
import { programmed } from './kernel-backends.ts';
import { bothProtocols, kubeService } from './kube-service.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';

const node = nodeForFile(test, async (made) => {
  await made.configure(
    'link add up0 type veth peer name far0',
    'addr add 192.0.2.1/24 dev up0',
    'link set up0 up',
    'link add up1 type veth peer name far1',
    'addr add 198.51.100.1/24 dev up1',
    'link set up1 up',
  );
  made.write('web', kubeService('web', ['10.96.0.1'], bothProtocols(80, ['10.244.1.1'])));
  await made.agent.start();
  await programmed(made, '10.96.0.1:80/UDP', ['10.244.1.1:8080']);
});

interface Answer {
  readonly findings: readonly {
    readonly id: string;
    readonly found: string;
    readonly severity: string;
  }[];
}

/** Of a node in a test: its cgroup is no root, and where it has IPv6 is the machine's to say. */
const ALWAYS = ['no-ipv6', 'no-tcx', 'no-socket-destroyer'];

async function examine(t: ExecutionContext): Promise<{ code: number | null; found: string[] }> {
  const { code, stdout, stderr } = await node().run(
    node().signalboxArgv('doctor', '--bpffs', node().bpffs, '--json'),
  );
  t.is(stderr, '');
  const { findings } = JSON.parse(stdout) as Answer;
  return {
    code,
    found: findings
      .filter(({ id }) => !ALWAYS.includes(id))
      .map(({ id, found }) => `${id} ${found}`),
  };
}

async function set(sysctl: string, value: string): Promise<void> {
  await output(node(), ['sh', '-c', `echo '${value}' > /proc/sys/${sysctl}`]);
}

test.serial('a node that is well, and the trial leaves nothing', async (t) => {
  if (!canMakeNodes(t)) return;
  await set('net/ipv4/ip_forward', '1');
  const { found } = await examine(t);
  t.deepEqual(
    found.filter((text) => !text.startsWith('cgroup-not-root')),
    [],
  );
  const beside = readdirSync(path.dirname(node().bpffs)).filter((name) =>
    name.includes('-doctor-'),
  );
  t.deepEqual(beside, []);
});

test.serial('settings that are in the way', async (t) => {
  if (!canMakeNodes(t)) return;
  await set('net/ipv4/ip_forward', '0');
  await set('net/ipv4/conf/all/rp_filter', '1');
  await set('net/ipv4/ip_local_reserved_ports', '');
  const { code, found } = await examine(t);
  t.is(code, 3);
  t.true(found.includes('forwarding-off net.ipv4.ip_forward = 0'), found.join('\n'));
  t.true(found.includes('strict-rp-filter up0 up1'), found.join('\n'));
  t.true(found.includes('ports-not-reserved 49152-65535'), found.join('\n'));
});

test.serial(
  'for people: each problem with its cure, and no colours where nobody sees them',
  async (t) => {
    if (!canMakeNodes(t)) return;
    const { stdout } = await node().signalbox('doctor', '--no-trial');
    t.regex(
      stdout,
      /^WARNING {2}forwarding is off: net\.ipv4\.ip_forward = 0\n {9}Packets .*\n {9}> Set/m,
    );
    t.regex(stdout, /^\d+ warnings?/m);
    t.notRegex(stdout, new RegExp(String.fromCharCode(27)));
  },
);

const AS_NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];

faultTest(test, 'start-refused', async (t, report) => {
  if (!canMakeNodes(t)) return;
  await node().agent.end('SIGTERM');
  const argv = node().agent.argv();
  const without = (what: string, value: string) => {
    const at = argv.indexOf(what) + 1;
    return argv.toSpliced(at, 1, value);
  };
  const refusals: readonly (readonly [readonly string[], RegExp])[] = [
    [[...AS_NOBODY, ...argv], /^signalbox: .*needs root\n {2}run it with sudo\n$/],
    [without('--bpffs', '/tmp/nowhere'), /is not in a BPF file system\n {2}mount one: mount -t/],
    [without('--cgroup', '/tmp'), /is not a cgroup v2 directory\n {2}the hierarchy is mounted at/],
  ];
  for (const [command, says] of refusals) {
    const { code, stdout, stderr } = await node().run(command);
    t.is(code, 1, stdout);
    t.regex(stderr, says);
  }

  await set('net/ipv4/conf/all/rp_filter', '1');
  await node().agent.start();
  const told = node().agent.log.filter(({ msg }) => msg === 'this node is not as it should be');
  const strict = told.find(({ finding }) => finding === 'strict-rp-filter');
  t.like(strict, { level: 'warn', found: 'up0 up1' });
  t.regex(String(strict?.cure), /to 2 \(loose\) or 0/);
  const { stdout } = await node().signalbox('status', '-o', 'json');
  const { healthy, agent } = JSON.parse(stdout) as { healthy: boolean; agent: Status };
  t.true(healthy, stdout);
  t.truthy(agent.warnings?.some((text) => /^rp_filter is strict .*: up0 up1\. Set/.test(text)));
  const { stdout: screen } = await node().signalbox('status');
  t.regex(screen, /^Warning +rp_filter is strict/m);
  report({ injections: refusals.length + 1, note: 'three refusals, one start with a warning' });
});

test.serial('no BPF file system', async (t) => {
  if (!canMakeNodes(t)) return;
  const { code, stdout } = await node().run(
    node().signalboxArgv('doctor', '--bpffs', '/tmp/nowhere'),
  );
  t.is(code, 1);
  t.regex(stdout, /^ERROR {4}no BPF file system where the pins are to be: \/tmp\/nowhere$/m);
});

test.serial('a cgroup that is none', async (t) => {
  if (!canMakeNodes(t)) return;
  const { code, stdout } = await node().signalbox('doctor', '--no-trial', '--cgroup', '/nowhere');
  t.is(code, 1);
  t.regex(stdout, /^ERROR {4}no cgroup v2 hierarchy to attach to$/m);
});
