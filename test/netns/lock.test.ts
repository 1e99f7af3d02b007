// SPDX-License-Identifier: Apache-2.0
// One agent at a time keeps the tables: whatever namespaces a second one is started in, and whatever somebody without
// privileges does beforehand.

import { once } from 'node:events';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { statusSocketPath } from '../../agent/telemetry/status-socket.ts';
import { faultTest } from '../faults/fault-test.ts';
import { BPFFS } from '../lab/bpf-filesystem.ts';
import { namespacePath } from '../lab/netns.ts';
import type { CommandResult } from '../lab/run-command.ts';
import { kubeService, TARGET_PORT } from './kube-service.ts';
import { canMakeNodes } from './node-for-file.ts';
import { SocketProbe } from './socket-probe.ts';
import { startBackends } from './start-backends.ts';
import { TestNode } from './test-node.ts';

const WEB = '10.96.0.1';
const BACKEND = '10.244.1.1';
/** Nobody's. */
const UID = 65534;

async function nodeWithWeb(t: ExecutionContext): Promise<TestNode> {
  const node = await TestNode.create();
  t.teardown(() => node.close());
  node.write(
    'web',
    kubeService('web', [WEB], [{ protocol: 'TCP', port: TARGET_PORT, backends: [BACKEND] }]),
  );
  await startBackends(node);
  return node;
}

/** Ends it after a while when it is not refused. */
function second(node: TestNode, argv: readonly string[]): Promise<CommandResult> {
  return node.run(['timeout', '60', ...argv]);
}

/** What says who keeps the tables, and exit code 1. */
function isRefused(
  t: ExecutionContext,
  node: TestNode,
  { code, stderr }: CommandResult,
  who: string,
) {
  t.is(code, 1, stderr);
  t.is(
    stderr,
    `signalbox: another agent (${who}) keeps the tables in ${node.bpffs}\n` +
      '  stop it first, or give this one tables of its own with --bpffs DIR\n',
  );
}

/** In the network of another node, with a /run of its own: as far away as one with the same pins can be. */
function faraway(node: TestNode, other: TestNode): readonly string[] {
  const script = 'mount -t tmpfs tmpfs /run && exec "$@"';
  const enter = ['nsenter', `--net=${namespacePath(other.namespace)}`];
  return [...enter, 'unshare', '--mount', 'sh', '-c', script, 'sh', ...node.agent.argv()];
}

faultTest(test, 'second-agent', async (t, report) => {
  if (!canMakeNodes(t)) return;
  const node = await nodeWithWeb(t);
  const other = await TestNode.create();
  t.teardown(() => other.close());
  await node.agent.start();
  const pid = node.agent.pid as number;
  const probe = await SocketProbe.start(node);
  const clients = probe.repeat([{ kind: 'tcp', address: WEB, port: TARGET_PORT }], {
    timeoutMs: 60_000,
    pauseUs: 1000,
  });

  isRefused(t, node, await second(node, node.agent.argv()), `pid ${pid}`);
  isRefused(t, node, await second(node, faraway(node, other)), `pid ${pid}`);
  process.kill(pid, 'SIGSTOP');
  try {
    const who = `pid ${pid}, which does not answer`;
    isRefused(t, node, await second(node, node.agent.argv()), who);
    isRefused(t, node, await second(node, faraway(node, other)), `pid ${pid}`);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  t.is((await node.signalbox('status')).code, 0);
  probe.stop();
  const attempts = await clients;
  const failed = attempts.filter(({ landed }) => landed !== `${BACKEND}:${TARGET_PORT}`);
  t.deepEqual(failed, []);
  report({ injections: 4, attempts: attempts.length, failed: failed.length });
});

faultTest(
  test,
  'second-agent',
  async (t, report) => {
    if (!canMakeNodes(t)) return;
    const node = await nodeWithWeb(t);
    const other = await TestNode.create();
    t.teardown(() => other.close());
    const started = node.agent.start().then(
      () => true,
      () => false,
    );
    const rival = node.spawn(faraway(node, other), { stdio: ['ignore', 'ignore', 'pipe'] });
    t.teardown(() => rival.kill());
    let said = '';
    rival.stderr?.on('data', (data) => {
      said += data;
    });
    const ended = once(rival, 'exit');
    if (await started) {
      await ended;
      t.is(rival.exitCode, 1);
      t.regex(said, new RegExp(`another agent \\(pid ${node.agent.pid}\\) keeps the tables`));
    } else {
      t.is(rival.exitCode, null, said);
    }
    report({ injections: 1 });
  },
  'both at the same moment',
);

faultTest(test, 'lock-squatted', async (t, report) => {
  if (!canMakeNodes(t)) return;
  const node = await nodeWithWeb(t);
  // What versions before took for the lock; the directory of the pins, where a BPF file system lets anybody make one.
  const program = `
    process.setgid(${UID});
    process.setuid(${UID});
    require('node:net').createServer().listen('\\0${statusSocketPath(node.bpffs)}', () => {
      try { require('node:fs').mkdirSync('${node.bpffs}'); } catch {}
      const script = 'echo locked && exec sleep 60';
      const flock = require('node:child_process').spawn(
        'flock', ['--nonblock', '${node.bpffs}', 'sh', '-c', script], { stdio: 'inherit' });
      flock.on('exit', () => console.log('not locked'));
    });`;
  const squatter = node.spawn([process.execPath, '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => squatter.kill('SIGKILL'));
  const [said] = await once(squatter.stdout as NodeJS.ReadableStream, 'data');
  const aside = `${node.bpffs}-of-uid-${UID}-`;
  t.teardown(() => {
    for (const name of readdirSync(BPFFS)) {
      const found = path.join(BPFFS, name);
      if (found.startsWith(aside)) rmSync(found, { recursive: true });
    }
  });
  t.log(`the directory: ${String(said).trim()}`);

  await node.agent.start();
  t.is((await node.signalbox('status')).code, 0);
  if (String(said).trim() === 'locked') {
    const moved = node.agent.log.find(({ msg }) => msg?.endsWith('moved aside'));
    t.true(String(moved?.aside).startsWith(aside));
    t.true(existsSync(String(moved?.aside)));
  }
  const refused = await second(node, node.agent.argv());
  isRefused(t, node, refused, `pid ${node.agent.pid}`);
  report({ injections: 2 });
});
