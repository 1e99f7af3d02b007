// SPDX-License-Identifier: Apache-2.0
// The agent beside others: a second agent on the same tables, an agent of another node, somebody else's
// programs on the same hooks; and cleanup, which takes away what is Signalbox's and nothing else.

import { existsSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { CLANG_FLAGS } from '../../scripts/build.ts';
import { faultTest } from '../faults/fault-test.ts';
import { BPFFS } from '../lab/bpf-filesystem.ts';
import { runCommand } from '../lab/run-command.ts';
import { kubeService, TARGET_PORT } from './kube-service.ts';
import { canMakeNodes } from './node-for-file.ts';
import { SocketProbe } from './socket-probe.ts';
import { startBackends } from './start-backends.ts';
import { TestNode } from './test-node.ts';

const WEB = '10.96.0.1';

/** A node whose Service `web` leads to `backend`; on the port that the backends listen on. */
async function nodeWithWeb(t: ExecutionContext, backend: string): Promise<TestNode> {
  const node = await TestNode.create();
  t.teardown(() => node.close());
  node.write(
    'web',
    kubeService('web', [WEB], [{ protocol: 'TCP', port: TARGET_PORT, backends: [backend] }]),
  );
  await startBackends(node);
  return node;
}

/** Where a new connection to the Service ends. */
async function landsOn(node: TestNode): Promise<string> {
  const probe = await SocketProbe.start(node);
  const target = { kind: 'tcp', address: WEB, port: TARGET_PORT } as const;
  const [attempt] = await probe.repeat([target], { count: 1, timeoutMs: 5000 });
  probe.close();
  return attempt?.landed ?? 'nothing';
}

test.serial('a second agent for the same tables is refused, the first goes on', async (t) => {
  if (!canMakeNodes(t)) return;
  const node = await nodeWithWeb(t, '10.244.1.1');
  await node.agent.start();
  const second = await node.run(node.agent.argv());
  t.is(second.code, 1);
  t.is(
    second.stderr,
    `signalbox: another agent (pid ${node.agent.pid}) keeps the tables in ${node.bpffs}\n` +
      '  stop it first, or give this one tables of its own with --bpffs DIR\n',
  );
  t.is((await node.signalbox('status')).code, 0);
  t.is(await landsOn(node), '10.244.1.1:8080');
});

test.serial(
  'cleanup refuses while the agent runs, and leaves nothing when it does not',
  async (t) => {
    if (!canMakeNodes(t)) return;
    const node = await nodeWithWeb(t, '10.244.1.1');
    await node.agent.start();
    const probe = await SocketProbe.start(node);
    const open = await probe.open('tcp', 4);
    await open.connect(WEB, TARGET_PORT);
    await open.receive();

    const refused = await node.signalbox('cleanup');
    t.is(refused.code, 1);
    t.is(
      refused.stderr,
      `signalbox: the agent (pid ${node.agent.pid}) is running and would put all of it back\n  stop it first\n`,
    );
    t.is(await landsOn(node), '10.244.1.1:8080');

    await node.agent.end('SIGTERM');
    t.is(await landsOn(node), '10.244.1.1:8080');
    t.is((await node.signalbox('cleanup')).code, 0);
    t.false(existsSync(node.bpffs));
    t.deepEqual(await programsOn(node), []);
    t.is(await landsOn(node), `${WEB}:8080`, 'nobody translates any more');
    t.is(await open.send('still'), '');
    t.is((await open.receive()).data, 'still', 'an open connection stays open');

    const again = await node.signalbox('cleanup');
    t.is(again.code, 0);
    t.is(again.stdout, `nothing in ${node.bpffs}\n`);
    await node.agent.start();
    t.is(await landsOn(node), '10.244.1.1:8080');
  },
);

test.serial('an agent that is stopped is not said to have ended', async (t) => {
  if (!canMakeNodes(t)) return;
  const node = await nodeWithWeb(t, '10.244.1.1');
  await node.agent.start();
  process.kill(Number(node.agent.pid), 'SIGSTOP');
  const silent = await node.signalbox('status');
  process.kill(Number(node.agent.pid), 'SIGCONT');
  t.is(silent.code, 1);
  t.true(silent.stdout.includes('\n  - the agent does not answer\n'), silent.stdout);
  await node.agent.end('SIGKILL');
  const ended = await node.signalbox('status');
  t.is(ended.code, 1);
  t.true(ended.stdout.includes('\n  - the agent is not running\n'), ended.stdout);
});

test.serial('two agents in two cgroups do not disturb each other', async (t) => {
  if (!canMakeNodes(t)) return;
  const one = await nodeWithWeb(t, '10.244.1.1');
  const two = await nodeWithWeb(t, '10.244.2.1');
  await Promise.all([one.agent.start(), two.agent.start()]);
  t.is(await landsOn(one), '10.244.1.1:8080');
  t.is(await landsOn(two), '10.244.2.1:8080');
  await one.agent.end('SIGTERM');
  t.is((await one.signalbox('cleanup')).code, 0);
  t.is(await landsOn(one), `${WEB}:8080`);
  t.is(await landsOn(two), '10.244.2.1:8080');
  t.is((await two.signalbox('status')).code, 0);
});

faultTest(
  test,
  'foreign-program',
  async (t, report) => {
    if (!canMakeNodes(t)) return;
    const node = await nodeWithWeb(t, '10.244.1.1');
    const foreign = await attachForeign(t, node, 'connect4', 'multi');
    const foreignIsThere = async () => t.true((await programsOn(node)).includes(foreign));
    await node.agent.start();
    await foreignIsThere();
    t.is((await programsOn(node)).length, 1 + 8);
    const { stdout } = await node.signalbox('doctor', '--cgroup', node.cgroup, '--no-trial');
    t.true(
      stdout.includes(`on the same hooks: connect4: program ${foreign} (allow), before ours\n`),
      stdout,
    );
    const status = await node.signalbox('status');
    t.is(status.code, 0);
    t.true(
      status.stdout.includes(
        `somebody else’s program is on a hook of ours: connect4: program ${foreign} (allow)`,
      ),
      status.stdout,
    );
    await node.agent.end('SIGKILL');
    await node.agent.start();
    await foreignIsThere();
    t.is((await programsOn(node)).length, 1 + 8);
    t.is(await landsOn(node), '10.244.1.1:8080');
    await node.agent.end('SIGTERM');
    t.is((await node.signalbox('cleanup')).code, 0);
    t.deepEqual(await programsOn(node), [foreign]);
    report({ injections: 1 });
  },
  'on a hook of the cgroup, through start, restart and cleanup',
);

test.serial('a hook that somebody else has to itself ends the agent, which says so', async (t) => {
  if (!canMakeNodes(t)) return;
  const node = await nodeWithWeb(t, '10.244.1.1');
  await attachForeign(t, node, 'connect4', '');
  const { code, stderr } = await node.run(node.agent.argv());
  t.is(code, 1);
  t.is(
    stderr,
    `signalbox: cannot attach connect4 to cgroup ${node.cgroup}: EPERM (operation not permitted); ` +
      'another program has this hook, here or further up, to itself\n' +
      `  find it with: bpftool cgroup show ${node.cgroup} effective\n`,
  );
});

test.serial('a hook that refuses leaves none of the others behind', async (t) => {
  if (!canMakeNodes(t)) return;
  const node = await nodeWithWeb(t, '10.244.1.1');
  const foreign = await attachForeign(t, node, 'sendmsg4', '');
  const { code, stderr } = await node.run(node.agent.argv());
  t.is(code, 1);
  t.regex(stderr, /^signalbox: cannot attach sendmsg4 to /);
  t.deepEqual(await programsOn(node), [foreign]);
});

/** Attaches allow.bpf.c to the node's cgroup. @returns the program's id. */
async function attachForeign(
  t: ExecutionContext,
  node: TestNode,
  hook: 'connect4' | 'sendmsg4',
  flags: 'multi' | '',
): Promise<number> {
  const source = path.join(import.meta.dirname, 'allow.bpf.c');
  const object = path.join(node.directory, 'allow.o');
  const pin = path.join(BPFFS, `${node.namespace}-foreign`);
  t.teardown(() => runCommand(['rm', '-f', pin]));
  await runCommand(['clang', ...CLANG_FLAGS, '-c', source, '-o', object]);
  await runCommand(['bpftool', 'prog', 'load', object, pin, 'type', `cgroup/${hook}`]);
  const { id } = JSON.parse(await runCommand(['bpftool', '-j', 'prog', 'show', 'pinned', pin]));
  const attach = ['attach', node.cgroup, hook, 'pinned', pin, ...(flags ? [flags] : [])];
  await runCommand(['bpftool', 'cgroup', ...attach]);
  await runCommand(['rm', pin]);
  return id;
}

/** Ids of the programs that are attached to the node's cgroup. */
async function programsOn({ cgroup }: TestNode): Promise<number[]> {
  const text = await runCommand(['bpftool', '-j', 'cgroup', 'show', cgroup]);
  return (JSON.parse(text.trim() || '[]') as { id: number }[]).map(({ id }) => id);
}
