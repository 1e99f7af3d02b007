// SPDX-License-Identifier: Apache-2.0
// What others may write about Services, and what the agent and its commands make of it for those who read: control
// characters, passwords, addresses that a Service should not have.

import { chmodSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Status } from '../../agent/telemetry/status.ts';
import { faultTest } from '../faults/fault-test.ts';
import type { KubeObject } from '../lab/kube-object.ts';
import { kubeconfig } from '../lab/kubeconfig.ts';
import { until } from '../lab/until.ts';
import { kernelFrontends, programmed } from './kernel-backends.ts';
import { kubeService, targetAt } from './kube-service.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { serveScript } from './scripted-api.ts';

const PORT = 6443;
const WEB = '10.96.0.1';
const EXTERNAL = '10.96.9.9';
const FORBIDDEN = '10.96.9.10';
const BACKEND = '10.244.1.1';
const FLAGS = ['--node-name', 'node-1'];

/** Red letters, an 8-bit CSI, a turned line, and a line that looks like the verdict of `status`. */
const HOSTILE = '\u001b[31m\u009b2J\u202e\nHealthy.';
const ESCAPED = '\\x1b[31m\\x9b2J\\u{202e}\\x0aHealthy.';
/** 15 bytes are what the kernel gives to a name; of spaces it takes none. */
const DEVICE = 'up\u001b[31m\u009b\u202e';

const node = nodeForFile(test, async () => {});

/** Ends what a test has started, and takes what it left. */
function endAfter(t: ExecutionContext, close: () => void): void {
  t.teardown(async () => {
    await node().agent.end('SIGTERM');
    await node().signalbox('cleanup');
    node().agent.flags = [];
    close();
  });
}

async function status(): Promise<Status> {
  const { stdout } = await node().signalbox('status', '-o', 'json');
  return (JSON.parse(stdout) as { agent: Status }).agent;
}

function web(spec: Readonly<Record<string, unknown>> = {}): KubeObject[] {
  const ports = [{ protocol: 'TCP' as const, port: 80, backends: [BACKEND] }];
  return kubeService('web', [WEB], ports, { spec });
}

/** What a terminal would act upon, but for ends of lines. */
const ACTED_UPON = /[^\P{C}\n]|[\p{Zl}\p{Zp}]/u;

faultTest(test, 'hostile-text', async (t, report) => {
  if (!canMakeNodes(t)) return;
  const [service, slice] = web() as [KubeObject, KubeObject];
  const objects = [
    {
      ...service,
      metadata: {
        ...service.metadata,
        annotations: { 'signalbox/balancing': HOSTILE, [`${HOSTILE}/x`]: HOSTILE },
      },
    },
    { ...slice, endpoints: [{ addresses: [BACKEND], nodeName: HOSTILE, zone: HOSTILE }] },
    { ...service, metadata: { namespace: 'default', name: HOSTILE } },
    { ...slice, metadata: { ...slice.metadata, name: HOSTILE }, addressType: HOSTILE },
  ] as unknown as KubeObject[];
  const api = await serveScript(node(), PORT, objects, (response) =>
    response.writeHead(403).end(JSON.stringify({ kind: 'Status', message: HOSTILE })),
  );
  endAfter(t, () => api.close());
  for (const args of [
    ['link', 'add', DEVICE, 'type', 'veth', 'peer', 'name', 'far'],
    ['addr', 'add', '192.0.2.1/24', 'dev', DEVICE],
    ['link', 'set', DEVICE, 'up'],
  ]) {
    const { code, stderr } = await node().run(['ip', ...args]);
    t.is(code, 0, stderr);
  }
  t.teardown(() => node().run(['ip', 'link', 'del', DEVICE]));
  const file = path.join(node().directory, 'kubeconfig');
  writeFileSync(file, kubeconfig(`http://127.0.0.1:${PORT}`));
  node().agent.flags = FLAGS;
  await node().agent.start(['--kubeconfig', file]);
  await programmed(node(), `${WEB}:80/TCP`, [targetAt(BACKEND)]);

  const shown: string[] = [];
  const ask = async (command: string, ...args: string[]) => {
    const { stdout, stderr } = await node().signalbox(command, ...args);
    for (const text of [stdout, stderr]) {
      t.notRegex(text, ACTED_UPON, `${command} ${args}: ${JSON.stringify(text)}`);
    }
    shown.push(stdout);
    return stdout;
  };
  const screen = await ask('status');
  t.true(screen.includes(ESCAPED), screen);
  t.regex(screen, /^Skipped/m);
  t.true(screen.includes('up\\x1b[31m\\x9b\\u{202e}: outward'), screen);
  t.false(screen.split('\n').slice(1).includes('Healthy.'), screen);
  const answer = await ask('explain', '10.244.255.1', `tcp/${WEB}:80`);
  t.true(answer.includes(ESCAPED), answer);
  for (const command of ['services', 'backends', 'flows', 'affinity']) await ask(command);
  await ask('doctor', '--no-trial');
  for (const command of ['status', 'services', 'backends', 'flows', 'affinity']) {
    JSON.parse(await ask(command, '-o', 'json'));
  }
  const json = JSON.parse(await ask('status', '-o', 'json')) as { agent: Status };
  t.true(JSON.stringify(json.agent.watches).includes(JSON.stringify(HOSTILE).slice(1, -1)));
  for (const line of node().agent.lines) t.notRegex(line, ACTED_UPON);
  report({ injections: 8, attempts: shown.length, failed: 0 });
});

faultTest(test, 'external-ips-list', async (t, report) => {
  if (!canMakeNodes(t)) return;
  endAfter(t, () => node().remove('web'));
  node().write('web', web({ externalIPs: [EXTERNAL, FORBIDDEN] }));
  node().agent.flags = [...FLAGS, '--external-ip-cidrs', `${EXTERNAL}/32,192.0.2.0/24`];
  await node().agent.start();
  await programmed(node(), `${EXTERNAL}:80/TCP`, [targetAt(BACKEND)]);
  const served = [...kernelFrontends(node()).keys()];
  t.true(served.some((frontend) => frontend.includes(EXTERNAL)));
  t.deepEqual(
    served.filter((frontend) => frontend.includes(FORBIDDEN)),
    [],
  );
  const { skipped } = await status();
  const reason = `spec.externalIPs: ${FORBIDDEN}: in no range of --external-ip-cidrs`;
  t.deepEqual(skipped, [{ object: 'Service default/web', reason }]);
  const ask = async (address: string) =>
    (await node().signalbox('explain', 'external', `tcp/${address}:80`)).stdout;
  t.regex(await ask(EXTERNAL), /^FORWARD/);
  const answer = await ask(FORBIDDEN);
  t.notRegex(answer, /^FORWARD/);
  t.true(answer.includes(`Left out of Service default/web: ${reason}`), answer);

  // As many who write Services would want it: an address that is in use already.
  node().write('web', web({ externalIPs: [FORBIDDEN] }));
  await programmed(node(), `${EXTERNAL}:80/TCP`, undefined);
  await programmed(node(), `${WEB}:80/TCP`, [targetAt(BACKEND)]);
  t.false([...kernelFrontends(node()).keys()].some((frontend) => frontend.includes(FORBIDDEN)));
  report({ injections: 2, attempts: 2, failed: 0 });
});

const SECRET = 'hunter2';

/** Places that take a secret, and how each goes wrong. */
const SECRETS: Readonly<Record<string, (server: string) => object>> = {
  'a proxy with a password that refuses': (server) => ({
    cluster: { server, 'proxy-url': `http://me:${SECRET}@127.0.0.1:1` },
  }),
  'a token that is none': (server) => ({
    cluster: { server },
    user: { token: `${SECRET}\nx` },
  }),
  'a plugin that prints something else': (server) => ({
    cluster: { server },
    user: { exec: { command: './plugin', args: [SECRET] } },
  }),
};

function writeKubeconfig({ cluster, user = {} }: { cluster?: object; user?: object }): string {
  const file = path.join(node().directory, 'secret-kubeconfig');
  const config = {
    'current-context': 'x',
    contexts: [{ name: 'x', context: { cluster: 'x', user: 'x' } }],
    clusters: [{ name: 'x', cluster }],
    users: [{ name: 'x', user }],
  };
  writeFileSync(file, JSON.stringify(config));
  const plugin = path.join(node().directory, 'plugin');
  writeFileSync(plugin, '#!/bin/sh\necho "$1"\n');
  chmodSync(plugin, 0o755);
  return file;
}

faultTest(test, 'secrets-in-logs', async (t, report) => {
  if (!canMakeNodes(t)) return;
  const api = await serveScript(node(), PORT, web(), (response) => response.writeHead(403).end());
  endAfter(t, () => api.close());
  node().agent.flags = FLAGS;
  const server = `http://me:${SECRET}@127.0.0.1:${PORT}`;
  const said: string[] = [];
  const gather = async () => {
    said.push(JSON.stringify(node().agent.log));
    for (const args of [[], ['-o', 'json']]) {
      const { stdout, stderr } = await node().signalbox('status', ...args);
      said.push(stdout, stderr);
    }
  };

  for (const [what, make] of Object.entries(SECRETS)) {
    node().agent.launch(['--kubeconfig', writeKubeconfig(make(server))]);
    await until(`${what} is told of`, () =>
      node().agent.log.some(({ kind, level }) => kind && level === 'warn'),
    );
    await gather();
    await node().agent.end('SIGTERM');
  }
  const file = writeKubeconfig({ cluster: { server }, user: { token: `${SECRET}-token` } });
  node().agent.flags = [...FLAGS, '--metrics-bind-address', '127.0.0.1'];
  await node().agent.start(['--kubeconfig', file]);
  await programmed(node(), `${WEB}:80/TCP`, [targetAt(BACKEND)]);
  await gather();
  for (const page of ['metrics', 'configz', 'flagz']) {
    const { code, stdout } = await node().run(['curl', '-sS', `http://127.0.0.1:10249/${page}`]);
    t.is(code, 0, page);
    said.push(stdout);
  }
  t.true(api.requests.some((request) => request.includes(`Bearer ${SECRET}-token`)));
  // Events, and all else that is sent, but for the header that it is for.
  said.push(...api.requests.map((request) => request.replace(/"authorization":"[^"]*"/, '')));

  for (const flags of [
    ['--master', `htp://me:${SECRET}@x`],
    ['--master', `https://me:${SECRET}@x:y`],
  ]) {
    const { code, stderr } = await node().run(node().agent.argv(flags));
    t.is(code, 1);
    said.push(stderr);
  }
  const leaks = said.filter((text) => text.includes(SECRET));
  t.deepEqual(leaks, []);
  report({ injections: 7, attempts: said.length, failed: leaks.length });
});
