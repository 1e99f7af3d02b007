// SPDX-License-Identifier: Apache-2.0
// The reflector and servers that lie, stammer or never end: nothing goes back in time, nothing is asked for in a tight
// loop, nothing grows without bounds.

import test from 'ava';
import { MAX_BARREN_PAGES } from '../../../agent/cluster/list-pages.ts';
import { OLDER_LISTS_BELIEVED } from '../../../agent/cluster/watch-position.ts';
import { SERVICES } from '../../../agent/cluster/watched-resources.ts';
import { eventually } from './eventually.ts';
import { bookmark, names, nthQuery, reflecting, service } from './reflecting.ts';
import { event, page, refusal, type Step, watch } from './scripted-server.ts';

const LISTED = page([service('a')], { resourceVersion: '1' });
const ADDED = event('ADDED', service('b', '2'));
const HALF = '{"type":"ADDED",\n';
/** Longer than any watch of these tests lasts. */
const STEADY = { steadyMs: 60_000 };

const lessOften = test.macro({
  async exec(t, ending: Step, failures: number) {
    const it = await reflecting(t, [LISTED, ending, LISTED, ending, LISTED, ending], STEADY);
    await eventually(t, 'three of them', () => it.pauses.length >= 3);
    t.deepEqual(it.pauses.slice(0, 3), [100, 200, 400]);
    t.true(it.reflector.state.failures >= failures);
  },
  title: (what) => `a watch that begins well and does not last: less and less often: ${what}`,
});
test('garbage after a good event', lessOften, watch([bookmark('1'), HALF], 'ended'), 3);
test(
  '410 after a good event',
  lessOften,
  watch([ADDED, event('ERROR', { code: 410 })], 'ended'),
  3,
);

const resumed = test.macro({
  async exec(t, ending: 'ended' | 'cut', failures: number) {
    const short = watch([ADDED], ending);
    const it = await reflecting(t, [LISTED, short, short, short], STEADY);
    await nthQuery(t, it, 5);
    t.deepEqual(it.pauses, [100, 200, 400]);
    t.is(it.reflector.state.failures, failures);
    t.is(it.reflector.state.relists, 0);
  },
  title: (what) =>
    `watches that end soon after a good event are not resumed in a tight loop: ${what}`,
});
test('in good order, which is no failure', resumed, 'ended', 0);
test('cut', resumed, 'cut', 3);

test('the first list is asked for at once, one after 410 at a random time of two seconds', async (t) => {
  const it = await reflecting(t, [LISTED, refusal(410, 'too old'), LISTED], { random: 0.75 });
  await nthQuery(t, it, 4);
  t.deepEqual(it.pauses, [175 + 1500]);
});

test('events of the past: the newer state stays', async (t) => {
  const it = await reflecting(t, [
    page([service('a', '7', '10.96.0.7'), service('b', '3')], { resourceVersion: '9' }),
    watch(
      [
        event('MODIFIED', service('a', '6', '10.96.0.6')),
        event('DELETED', service('b', '8')),
        event('ADDED', service('c', '10')),
        event('DELETED', service('c', '12')),
        event('MODIFIED', service('c', '10')),
        event('ADDED', service('d', '13')),
        event('MODIFIED', service('d', '9', '10.96.0.9')),
      ],
      'ended',
    ),
  ]);
  t.is((await nthQuery(t, it, 3)).resourceVersion, '13', 'and the watch goes on where it was');
  t.is(names(it.state), 'abd');
  t.is(it.state.service('default/a')?.clusterIPs[0], '10.96.0.7' as never);
  t.is(it.state.service('default/d')?.clusterIPs[0], '10.96.0.1' as never);
});

test('a bookmark of the past does not move a watch back, and one of the future hides no event', async (t) => {
  const it = await reflecting(t, [
    LISTED,
    watch([bookmark('9'), ADDED, bookmark('1'), bookmark('4')], 'ended'),
  ]);
  t.is((await nthQuery(t, it, 3)).resourceVersion, '9');
  t.is(names(it.state), 'ab');
});

test('resourceVersions that are no numbers have no order', async (t) => {
  const it = await reflecting(t, [
    page([], { resourceVersion: 'z9' }),
    watch([event('ADDED', service('a', 'b1')), event('ADDED', service('b', 'a1'))], 'ended'),
  ]);
  t.is((await nthQuery(t, it, 3)).resourceVersion, 'a1');
  t.is(names(it.state), 'ab');
});

test('a list that is older than what is known is not taken, unless the server insists', async (t) => {
  const older = page([service('b')], { resourceVersion: '3' });
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  const it = await reflecting(t, [
    page([service('a')], { resourceVersion: '5' }),
    watch([event('ADDED', service('c', '10'))], 'ended'),
    refusal(410, 'too old'),
    ...Array<Step>(OLDER_LISTS_BELIEVED - 1).fill(older),
    async (response, request) => {
      await held;
      older(response, request);
    },
  ]);
  await nthQuery(t, it, 3 + OLDER_LISTS_BELIEVED);
  t.is(names(it.state), 'ac');
  t.regex(it.reflector.state.lastError ?? '', /resourceVersion 3, 10 is known already/);
  release();
  t.is((await nthQuery(t, it, 4 + OLDER_LISTS_BELIEVED)).resourceVersion, '3');
  t.is(names(it.state), 'b', 'a cluster that was restored from a backup');
});

test('a watch that had bookmarks and has none any more is deaf: resumed', async (t) => {
  const deaf = watch([bookmark('2')], 'open');
  const it = await reflecting(t, [LISTED, deaf, watch([ADDED], 'open')], { quietMs: 50 });
  await eventually(t, 'the event', () => names(it.state) === 'ab');
  t.is((await nthQuery(t, it, 3)).resourceVersion, '2');
  t.regex(it.reflector.state.lastError ?? '', /services: nothing came for/);
});

test('two watches in a row that never speak are not believed: a list', async (t) => {
  const silent = watch([], 'open');
  const it = await reflecting(t, [LISTED, silent, silent, LISTED], { graceMs: -300_000 + 50 });
  t.is((await nthQuery(t, it, 3)).resourceVersion, '1');
  t.is((await nthQuery(t, it, 4)).limit, '100');
  await eventually(t, 'it is listed', () => it.reflector.state.relists === 1);
});

test('a watch that never ends, in drops that are no event, ends', async (t) => {
  const drops: Step = (response) => {
    response.flushHeaders();
    const timer = setInterval(() => response.write(' '), 5);
    response.once('close', () => clearInterval(timer));
  };
  const it = await reflecting(t, [LISTED, drops], { graceMs: -300_000 + 100 });
  t.is((await nthQuery(t, it, 3)).resourceVersion, '1');
});

test('a list that always has one more page is a failure', async (t) => {
  const more = page([service('a')], { resourceVersion: '1', continue: 'x' });
  const it = await reflecting(t, Array<Step>(2 * MAX_BARREN_PAGES).fill(more));
  await eventually(t, 'a failure', () => it.reflector.state.failures > 0);
  t.regex(it.reflector.state.lastError ?? '', /no end: 100 pages in a row have nothing new/);
  t.false(it.state.synced);
});

const hostile = test.macro({
  async exec(t, line: string, message: RegExp) {
    const it = await reflecting(t, [LISTED, watch([`${line}\n`], 'open'), LISTED]);
    await nthQuery(t, it, 4);
    t.regex(it.reflector.state.lastError ?? '', message);
    t.true((it.reflector.state.lastError ?? '').length < 500);
    t.is(names(it.state), 'a');
  },
  title: (what) => `an answer that cannot be put into words is a failure like any other: ${what}`,
});
const DEEP = '['.repeat(100_000) + ']'.repeat(100_000);
test(
  'a code that is no text',
  hostile,
  '{"type":"ERROR","object":{"code":{"toString":1,"valueOf":1},"message":{"toString":1}}}',
  /ended with an error/,
);
test(
  'a reason of great depth',
  hostile,
  `{"type":"ERROR","object":{"reason":${DEEP}}}`,
  /ended with/,
);
test('a type of great depth', hostile, `{"type":${DEEP},"object":{}}`, /unknown type/);
test(
  'a long message',
  hostile,
  JSON.stringify({ type: 'ERROR', object: { code: 500, message: 'x'.repeat(100_000) } }),
  /error: 500 xxx/,
);

test('an object that nobody can deal with costs only itself, wherever it is stumbled over', async (t) => {
  const it = await reflecting(
    t,
    [
      page([service('a'), service('b'), service('c')], { resourceVersion: '1' }),
      watch([event('MODIFIED', service('a', '2')), event('ADDED', service('d', '3'))], 'open'),
    ],
    {
      resource: {
        ...SERVICES,
        parse(json) {
          const name = JSON.stringify(json);
          if (name.includes('"a"')) throw new RangeError('too deep');
          const deliver = SERVICES.parse(json);
          return (sink, key) => {
            if (name.includes('"b"')) throw new RangeError('too many');
            deliver(sink, key);
          };
        },
      },
    },
  );
  await eventually(t, 'all others', () => names(it.state) === 'cd');
  t.is(it.lines.filter(({ msg }) => String(msg).startsWith('object left out')).length, 3);
});

test('a parser that fails makes its object invalid, with the reason', async (t) => {
  const it = await reflecting(t, [LISTED]);
  await eventually(t, 'it is listed', () => it.state.synced || names(it.state) === 'a');
  const trap = new Proxy(
    {},
    {
      get: () => {
        throw new RangeError('too deep');
      },
    },
  );
  SERVICES.parse(trap)(it.state, 'default/a');
  t.regex(it.state.skipped[0]?.reason ?? '', /bug of this agent: too deep/);
  t.is(names(it.state), 'a', 'its last good form stays');
});
