// SPDX-License-Identifier: Apache-2.0
// The agent with kube-proxy's command line and file, as kubeadm's DaemonSet has them: what it writes on the host, and
// what it does when the file becomes another one while connections are made. Sysctls are those of the node's namespace.

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import test from 'ava';
import type { Status } from '../../agent/telemetry/status.ts';
import { until } from '../lab/until.ts';
import { programmed } from './kernel-backends.ts';
import { bothProtocols, kubeService, targetAt } from './kube-service.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { SocketProbe } from './socket-probe.ts';
import { startBackends } from './start-backends.ts';

const WEB = '10.96.0.1';
const BACKEND = '10.244.1.1';
const HEAD = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n';
const hasConntrack = existsSync('/proc/sys/net/netfilter/nf_conntrack_max');

const node = nodeForFile(test, async (made) => {
  await startBackends(made);
  made.write('web', kubeService('web', [WEB], bothProtocols(80, [BACKEND])));
});

/** A mounted ConfigMap: the file leads through `..data` to a folder, and another one takes its place at once. */
class ConfigMap {
  readonly file = path.join(node().directory, 'kube-proxy/config.conf');
  #version = 0;

  write(text: string): void {
    const folder = path.dirname(this.file);
    const before = `..${this.#version}`;
    const version = `..${++this.#version}`;
    mkdirSync(path.join(folder, version), { recursive: true });
    writeFileSync(path.join(folder, version, 'config.conf'), text);
    symlinkSync(version, path.join(folder, '..data_tmp'));
    renameSync(path.join(folder, '..data_tmp'), path.join(folder, '..data'));
    rmSync(path.join(folder, before), { recursive: true, force: true });
    if (!existsSync(this.file)) symlinkSync('..data/config.conf', this.file);
  }
}

async function sysctl(name: string): Promise<number> {
  const { stdout } = await node().run(['cat', `/proc/sys/net/netfilter/nf_conntrack_${name}`]);
  return Number(stdout);
}

/** How many maps, programs and links a process holds open, by kind. */
function heldOfKernel(pid: number | undefined): Record<string, number> {
  const kinds = readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      const [, kind] =
        /^anon_inode:\[?(bpf[-_]\w+)/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`)) ?? [];
      // A link that the process has made has another name than one that it has opened by its pin.
      return kind?.replace('_', '-') ?? [];
    } catch {
      // Closed since.
      return [];
    }
  });
  const counts = Map.groupBy(kinds, (kind) => kind)
    .entries()
    .map(([kind, of]) => [kind, of.length] as const);
  return Object.fromEntries([...counts].sort());
}

async function listens(port: number): Promise<boolean> {
  return (await node().run(['bash', '-c', `</dev/tcp/127.0.0.1/${port}`])).code === 0;
}

/** What the agent says of itself. */
async function status(): Promise<Status> {
  const { stdout } = await node().signalbox('status', '-o', 'json');
  return JSON.parse(stdout).agent;
}

const said = (message: string) => node().agent.log.filter(({ msg }) => msg === message);
const NEW = 'the configuration has changed: starting anew with it';
const BACK = 'the agent cannot start with the configuration file; it goes back to what it had';
const REFUSED = 'the configuration file cannot be used; the agent goes on with what it had';

test.serial(
  'a file that is replaced is taken up, one that is wrong is not; no connection notices',
  async (t) => {
    if (!canMakeNodes(t)) return;
    const n = node();
    const map = new ConfigMap();
    map.write(
      `${HEAD}mode: nftables\nfoo: 1\noomScoreAdj: 500\nconntrack: {tcpCloseWaitTimeout: 99s}\n`,
    );
    n.agent.flags = [
      '--config',
      map.file,
      '--hostname-override=Node-7',
      '--proxy-mode=ipvs',
      '--log-level=debug',
    ];
    await n.agent.start();
    await programmed(n, `${WEB}:80/TCP`, [targetAt(BACKEND)]);
    t.is((await status()).node, 'node-7');
    const pid = n.agent.pid;
    t.deepEqual(
      said('an option without effect').map(({ option }) => option),
      ['--metrics-bind-address --proxy-mode', 'mode'],
    );
    t.deepEqual(
      said('the configuration file is not as it should be').map(({ warning }) => warning),
      ['foo: unknown, and ignored'],
    );
    t.is(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8').trim(), '500');
    if (hasConntrack) t.is(await sysctl('tcp_timeout_close_wait'), 99);
    t.true(await listens(10_249));
    const held = heldOfKernel(pid);
    t.true((held['bpf-map'] ?? 0) > 5, JSON.stringify(held));

    const probe = await SocketProbe.start(n);
    const clients = probe.repeat(
      (['tcp', 'udp', 'sendto'] as const).map((kind) => ({ kind, address: WEB, port: 80 })),
      { timeoutMs: 60_000, pauseUs: 500 },
    );
    map.write(
      `${HEAD}metricsBindAddress: 127.0.0.1:10250\nconntrack: {tcpCloseWaitTimeout: 98s}\n`,
    );
    await until('another start in the process', () => said('ready').length === 2);
    t.true(await listens(10_250));
    t.false(await listens(10_249));
    if (hasConntrack) t.is(await sysctl('tcp_timeout_close_wait'), 98);

    map.write(`${HEAD}oomScoreAdj: 5000\nconntrack: {tcpCloseWaitTimeout: 97s}\n`);
    await until('a word about it', () => said(REFUSED).length === 1);
    const problem = `the agent goes on with its former configuration: configuration file ${map.file}: oomScoreAdj: 5000: must be within the range [-1000, 1000]`;
    const problems = async () => (await status()).problems;
    t.deepEqual(await problems(), [problem]);
    t.true(await listens(10_250));

    // Back to what runs: nothing to do.
    map.write(
      `${HEAD}metricsBindAddress: 127.0.0.1:10250\nconntrack: {tcpCloseWaitTimeout: 98s}\n# mended\n`,
    );
    await until('the problem is gone', async () => (await problems()).length === 0);
    t.is(said(NEW).length, 1);

    // Right as far as it can be read, and of no use: both servers at one address.
    map.write(`${HEAD}metricsBindAddress: 127.0.0.1:10256\nbindAddressHardFail: true\n`);
    await until('a start with what it had', () => said('ready').length === 3);
    t.is(said(BACK).length, 1);
    t.regex((await problems()).join(), /^the agent has gone back to its former .*10256/);
    t.true(await listens(10_250));
    if (hasConntrack) t.is(await sysctl('tcp_timeout_close_wait'), 98);

    // The same by a rename in the same folder, and by writing in place.
    rmSync(map.file);
    await until('a word about its absence', () => said(REFUSED).length === 2);
    writeFileSync(`${map.file}.new`, `${HEAD}conntrack: {tcpCloseWaitTimeout: 96s}\n`);
    renameSync(`${map.file}.new`, map.file);
    await until('another start', () => said('ready').length === 4);
    writeFileSync(map.file, `${HEAD}conntrack: {tcpCloseWaitTimeout: 95s}\n`);
    await until('and one more', () => said('ready').length === 5);
    t.deepEqual(await problems(), []);
    if (hasConntrack) t.is(await sysctl('tcp_timeout_close_wait'), 95);

    probe.stop();
    const attempts = await clients;
    t.true(attempts.length > 100);
    t.deepEqual(
      attempts.filter(({ landed }) => landed !== targetAt(BACKEND)),
      [],
    );
    t.is(n.agent.pid, pid);
    t.deepEqual(heldOfKernel(pid), held, 'each run gives back what it held');
    t.is(await n.agent.end('SIGTERM'), 0);
  },
);

test.serial('what cannot be written on the host is told, and ends nothing', async (t) => {
  if (!canMakeNodes(t)) return;
  const n = node();
  // Of the whole machine, and closed to every namespace but its first.
  n.agent.flags = [
    '--conntrack-min=1000000000',
    '--conntrack-udp-timeout=77s',
    '--oom-score-adj=0',
  ];
  await n.agent.start();
  if (!hasConntrack) {
    t.is(said('conntrack is not loaded: its settings are left alone').length, 1);
  } else {
    t.deepEqual(
      said('cannot write a setting of the host').map(({ setting }) => setting),
      ['net.netfilter.nf_conntrack_max', 'hashsize'],
    );
    t.is(await sysctl('udp_timeout'), 77);
    t.is(await sysctl('tcp_timeout_close_wait'), 3600, 'kube-proxy’s default');
  }
  t.is(await n.agent.end('SIGTERM'), 0);
});

test.serial('with flags of its own alone, conntrack is left alone', async (t) => {
  if (!canMakeNodes(t) || !hasConntrack) return t.pass();
  const n = node();
  await n.run([
    'sh',
    '-c',
    'echo 55 > /proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close_wait',
  ]);
  n.agent.flags = ['--node-name', 'a', '--healthz-bind-address', '', '-v=2'];
  await n.agent.start();
  t.is(await sysctl('tcp_timeout_close_wait'), 55);
  t.deepEqual(
    said('an option without effect').map(({ option }) => option),
    [],
  );
  // One that is refused, because the tables are taken, leaves the host alone, too.
  const late = n.signalboxArgv('agent', '--conntrack-max-per-core=0', '--bpffs', n.bpffs);
  const refused = await n.run([...late, '--manifests', n.directory]);
  t.is(refused.code, 1);
  t.regex(refused.stderr, /another agent/);
  t.is(await sysctl('tcp_timeout_close_wait'), 55);
  t.is(await n.agent.end('SIGTERM'), 0);

  // --init-only does it once, for a container that may not.
  await n.run(['sh', '-c', 'echo > /proc/sys/net/ipv4/ip_local_reserved_ports']);
  const { code } = await n.run(
    n.signalboxArgv('agent', '--init-only', '--conntrack-max-per-core=0', '--bpffs', n.bpffs),
  );
  t.is(code, 0);
  t.is(
    (await n.run(['cat', '/proc/sys/net/ipv4/ip_local_reserved_ports'])).stdout.trim(),
    '49152-65535',
  );
  t.is(await sysctl('tcp_timeout_close_wait'), 3600);
});

test.serial(
  'a file that is wrong at the start: all of it is said, and the agent ends',
  async (t) => {
    if (!canMakeNodes(t)) return;
    const n = node();
    const file = path.join(n.directory, 'wrong.conf');
    writeFileSync(file, `${HEAD}mode: none\noomScoreAdj: 1001\n`);
    t.deepEqual(await n.run(n.agent.argv().concat('--config', file)), {
      code: 1,
      stdout: '',
      stderr: `signalbox: configuration file ${file}: 2 mistakes\n  mode: none: must be iptables, ipvs, nftables or empty\n  oomScoreAdj: 1001: must be within the range [-1000, 1000]\n`,
    });
    const absent = await n.run(n.signalboxArgv('agent', '--config', `${file}.no`));
    t.is(absent.code, 1);
    t.regex(absent.stderr, /^signalbox: configuration file .*wrong\.conf\.no: ENOENT/);
  },
);

test.serial('--write-config-to, --version, --cleanup', async (t) => {
  if (!canMakeNodes(t)) return;
  const n = node();
  const file = path.join(n.directory, 'written.conf');
  const flags = ['--proxy_mode=nftables', '--masquerade-all', '--v=3', '--healthz-port=0'];
  const written = await n.run(n.signalboxArgv('agent', ...flags, '--write-config-to', file));
  t.deepEqual(written, {
    code: 0,
    stdout: '',
    stderr: 'signalbox: healthzBindAddress: "": a file cannot say it: there, it is the default\n',
  });
  const again = await n.run(
    n.signalboxArgv('agent', '--config', file, '--write-config-to', `${file}.2`),
  );
  t.is(again.code, 0);
  t.is(
    readFileSync(`${file}.2`, 'utf8'),
    readFileSync(file, 'utf8').replace(
      'healthzBindAddress: ""',
      'healthzBindAddress: 0.0.0.0:10256',
    ),
  );
  t.regex(readFileSync(file, 'utf8'), /^mode: nftables$/m);

  const version = await n.run(n.signalboxArgv('agent', '--version'));
  t.deepEqual(version, await n.run(n.signalboxArgv('--version')));
  t.is((await n.run(n.signalboxArgv('agent', '--version=true'))).stdout, version.stdout);

  const cleanup = await n.run(n.signalboxArgv('agent', '--cleanup', '--bpffs', n.bpffs));
  t.is(cleanup.code, 0, cleanup.stderr);
  t.regex(cleanup.stdout, /^removed /);
});
