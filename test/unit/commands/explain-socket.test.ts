// SPDX-License-Identifier: Apache-2.0
// `explain` and the agent, over a real socket: queries in, answers out, in order and without waiting for the end.

import { mkdirSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Answer } from '../../../agent/commands/explain-answer.ts';
import {
  askAgent,
  type Explained,
  explainHandler,
} from '../../../agent/commands/explain-socket.ts';
import { EnvironmentError } from '../../../agent/errors.ts';
import { ClusterState } from '../../../agent/model/cluster-state.ts';
import type { NodeFacts } from '../../../agent/model/node-facts.ts';
import { DEFAULT_MASQUERADE_PORTS } from '../../../agent/model/port-ranges.ts';
import { removeStatusSocket, statusSocketPath } from '../../../agent/telemetry/status-socket.ts';
import { address, keyOf, service, slice } from '../../helpers/objects.ts';
import { requireRoot } from '../../helpers/requirements.ts';

const NODE: NodeFacts = {
  name: 'node-1',
  zone: '',
  nodeIPs: [address('192.168.0.1')],
  localAddresses: new Set(),
  nodePortAddresses: [],
  clusterCIDRs: [],
  serviceCIDRs: [],
  masqueradeAll: false,
  masqueradePorts: DEFAULT_MASQUERADE_PORTS,
};

function knowledge(): Explained & { readonly cluster: ClusterState } {
  const cluster = new ClusterState();
  const web = service('default/web', ['10.96.0.1'], ['http/TCP:80']);
  const endpoints = slice('default/web-1', 'web', ['http/TCP:8080'], ['10.244.1.1']);
  cluster.upsertService(keyOf(web), { spec: web });
  cluster.upsertEndpointSlice(keyOf(endpoints), { spec: endpoints });
  cluster.listed('Service', new Set([keyOf(web)]));
  cluster.listed('EndpointSlice', new Set([keyOf(endpoints)]));
  return { cluster, node: () => NODE };
}

/** Serves where an agent would. @returns its bpffs. */
async function serve(t: ExecutionContext, listener: http.RequestListener): Promise<string> {
  const bpffs = `/sys/fs/bpf/${process.pid}-${t.title.replaceAll(/\W+/g, '-')}`;
  mkdirSync(path.dirname(statusSocketPath(bpffs)), { recursive: true, mode: 0o700 });
  const server = http.createServer(listener);
  await new Promise<void>((resolve) => {
    server.listen(statusSocketPath(bpffs), resolve);
  });
  t.teardown(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    removeStatusSocket(bpffs);
  });
  return bpffs;
}

test('the agent answers from what it knows now', async (t) => {
  if (!requireRoot(t)) return;
  const known = knowledge();
  const bpffs = await serve(t, explainHandler(known));
  const ask = async () => {
    const [answer] = await Array.fromAsync(askAgent(bpffs, ['host tcp/10.96.0.1:80']));
    return (answer as Answer).verdict;
  };
  t.is(await ask(), 'forward');
  known.cluster.remove('Service', 'default/web');
  t.is(await ask(), 'pass');
});

test('a batch goes through in order, mistakes and all', async (t) => {
  if (!requireRoot(t)) return;
  const bpffs = await serve(t, explainHandler(knowledge()));
  const ports = Array.from({ length: 5000 }, (_, i) => i + 1);
  const lines = [
    'nonsense',
    '# no query',
    '',
    ...ports.map((port) => `host tcp/10.96.0.1:${port}`),
  ];
  const answers = await Array.fromAsync(askAgent(bpffs, lines));
  t.deepEqual(
    answers.map((answer) => ('error' in answer ? answer.query : answer.to)),
    ['nonsense', ...ports.map((port) => `tcp/10.96.0.1:${port}`)],
  );
});

test('an answer comes before the next question', async (t) => {
  if (!requireRoot(t)) return;
  const bpffs = await serve(t, explainHandler(knowledge()));
  const asked: number[] = [];
  async function* questions() {
    for (const port of [80, 81, 82]) {
      asked.push(port);
      yield `host tcp/10.96.0.1:${port}`;
      while (answered < asked.length) await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
  let answered = 0;
  for await (const answer of askAgent(bpffs, questions())) {
    t.is((answer as Answer).to, `tcp/10.96.0.1:${asked[answered]}`);
    answered++;
  }
  t.is(answered, 3);
});

const fails = test.macro({
  async exec(t, listener: http.RequestListener, says: RegExp) {
    if (!requireRoot(t)) return;
    const bpffs = await serve(t, listener);
    const error = await t.throwsAsync(Array.fromAsync(askAgent(bpffs, ['host tcp/10.96.0.1:80'])), {
      instanceOf: EnvironmentError,
    });
    t.regex(error?.message ?? '', says);
  },
  title: (title = '') => `an error says so: ${title}`,
});
test(
  'nothing is listed yet',
  fails,
  explainHandler({ cluster: new ClusterState(), node: () => NODE }),
  /does not explain: the objects have not been listed completely yet/,
);
test(
  'an agent that answers everything with its status',
  fails,
  (_, response) => {
    response.setHeader('Content-Type', 'application/json');
    response.end('{}');
  },
  /of an older version/,
);
test('an agent that hangs up', fails, (request) => request.destroy(), /no agent .* answers/);
test(
  'an agent that ends in the middle',
  fails,
  (_, response) => {
    response.writeHead(200, { 'Content-Type': 'application/x-ndjson' });
    response.write('{"verdict":"pass"}\n', () => response.destroy());
  },
  /hung up/,
);

test('an agent that is stopped', fails, () => {}, /does not answer within/);

test('nobody there', async (t) => {
  const error = await t.throwsAsync(Array.fromAsync(askAgent('/nowhere', ['x'])), {
    instanceOf: EnvironmentError,
  });
  t.regex(error?.hint ?? '', /--manifests DIR, --kubeconfig FILE/);
});

test('only POST is answered', async (t) => {
  if (!requireRoot(t)) return;
  const bpffs = await serve(t, explainHandler(knowledge()));
  const status = await new Promise((resolve) => {
    http.get({ socketPath: statusSocketPath(bpffs), path: '/explain' }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
  });
  t.is(status, 405);
});

test('a client that goes away is no matter to the agent', async (t) => {
  if (!requireRoot(t)) return;
  const bpffs = await serve(t, explainHandler(knowledge()));
  const forever = (function* () {
    for (;;) yield 'host tcp/10.96.0.1:80';
  })();
  let count = 0;
  for await (const _ of askAgent(bpffs, forever)) if (++count === 500) break;
  const [answer] = await Array.fromAsync(askAgent(bpffs, ['host tcp/10.96.0.1:80']));
  t.is((answer as Answer).verdict, 'forward');
});
