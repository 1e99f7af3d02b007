// SPDX-License-Identifier: Apache-2.0
// Objects, list pages and lines of watches that nobody meant well, and the reflector that meets them.

import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import type { ApiClient } from '../../../agent/cluster/api-client.ts';
import { ApiError } from '../../../agent/cluster/api-error.ts';
import { parseEndpointSlice } from '../../../agent/cluster/endpoint-slice.ts';
import { splitLines } from '../../../agent/cluster/json-lines.ts';
import { parseNode } from '../../../agent/cluster/node.ts';
import { parseKey } from '../../../agent/cluster/object-metadata.ts';
import { createReflector } from '../../../agent/cluster/reflector.ts';
import { parseService } from '../../../agent/cluster/service.ts';
import { parseServiceCidr } from '../../../agent/cluster/service-cidr.ts';
import { parseListPage, parseWatchEvent } from '../../../agent/cluster/watch-protocol.ts';
import { SERVICES } from '../../../agent/cluster/watched-resources.ts';
import { addressBytes, addressOfBytes, parsePrefix } from '../../../agent/model/address.ts';
import { ClusterState, type Parsed } from '../../../agent/model/cluster-state.ts';
import type { EndpointSliceSpec, ServiceSpec } from '../../../agent/model/objects.ts';
import { faultTest } from '../../faults/fault-test.ts';
import { VirtualClock, virtualTiming } from '../../unit/cluster/virtual-clock.ts';
import { HEADLESS, NUMBERS, OBJECTS, SERVICE, WORDS } from './cluster-objects.ts';
import { Fuzzing } from './fuzz.ts';
import { mutatedBytes, mutatedJson, mutatedText } from './mutate.ts';
import { SILENT_LOG } from './silent-log.ts';

/** What a parser says in words may quote what it read, a few times, and never at length. */
const MAX_REASON = 2_000;

/** A message is read by people; a spec is no larger than what it was read from. */
function checkParsed(parsed: Parsed<unknown>, size: number): void {
  if ('invalid' in parsed) assert.ok(parsed.invalid.length <= MAX_REASON, parsed.invalid);
  else if ('ignored' in parsed) assert.ok(parsed.ignored.length <= MAX_REASON);
  else {
    assert.ok((parsed.leftOut?.length ?? 0) <= MAX_REASON);
    assert.ok(JSON.stringify(parsed.spec).length <= 4 * size + 1_000);
  }
}

/** Addresses are in the one form in which equal ones are equal. */
function checkService(parsed: Parsed<ServiceSpec>): void {
  if (!('spec' in parsed)) return;
  const { clusterIPs, externalIPs, loadBalancerIPs, ports, loadBalancerSourceRanges } = parsed.spec;
  for (const address of [...clusterIPs, ...externalIPs, ...loadBalancerIPs]) {
    assert.equal(addressOfBytes(addressBytes(address)), address);
  }
  for (const range of loadBalancerSourceRanges) assert.equal(parsePrefix(range), range);
  for (const of of [...Map.groupBy(ports, ({ protocol }) => protocol).values()]) {
    assert.equal(new Set(of.map(({ port }) => port)).size, of.length);
    assert.equal(new Set(of.map(({ name }) => name)).size, of.length);
  }
}

function checkSlice(parsed: Parsed<EndpointSliceSpec>): void {
  if (!('spec' in parsed)) return;
  for (const { address } of parsed.spec.endpoints) {
    assert.equal(addressOfBytes(addressBytes(address)), address);
  }
}

faultTest(
  test,
  'hostile-input',
  (t, report) => {
    const fuzzing = new Fuzzing(t);
    fuzzing.run({
      what: 'objects',
      input: mutatedJson(OBJECTS, [...WORDS, ...NUMBERS]),
      runs: 6_000,
      check(json) {
        const size = (JSON.stringify(json) ?? '').length;
        const service = parseService(json);
        const slice = parseEndpointSlice(json);
        for (const parsed of [service, slice, parseNode(json), parseServiceCidr(json)]) {
          checkParsed(parsed, size);
        }
        checkService(service);
        checkSlice(slice);
        const state = new ClusterState();
        for (const scope of ['Namespaced', 'Cluster'] as const) parseKey(json, scope);
        SERVICES.parse(json)(state, 'default/web');
      },
    });
    report(fuzzing.figures);
  },
  'objects of the cluster',
);

const EVENTS = [
  ...OBJECTS.flatMap((object) =>
    ['ADDED', 'MODIFIED', 'DELETED'].map((type) => JSON.stringify({ type, object })),
  ),
  JSON.stringify({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '1100' } } }),
  JSON.stringify({
    type: 'ERROR',
    object: { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' },
  }),
];
const PROTOCOL_WORDS = [
  '"type"',
  '"ERROR"',
  '"BOOKMARK"',
  '"DELETED"',
  '"object"',
  '"metadata"',
  '"resourceVersion"',
  '"items"',
  '"continue"',
  ':null',
  ':[]',
  ':{}',
  '"code":410',
  '{"',
  '"}',
  '},{',
];
const PAGES = [
  JSON.stringify({ metadata: { resourceVersion: '1100', continue: 'abc' }, items: OBJECTS }),
  JSON.stringify({ metadata: { resourceVersion: '1100' }, items: null }),
  JSON.stringify({ metadata: { resourceVersion: '1100', continue: '' }, items: [SERVICE] }),
  JSON.stringify({ kind: 'Status', code: 503, message: 'down' }),
];

faultTest(
  test,
  'hostile-input',
  async (t, report) => {
    const fuzzing = new Fuzzing(t);
    fuzzing.run({
      what: 'lines of a watch',
      input: mutatedText(EVENTS, PROTOCOL_WORDS),
      runs: 6_000,
      check(line) {
        try {
          const { object, type, resourceVersion } = parseWatchEvent(line);
          assert.equal(typeof object, 'object');
          assert.notEqual(resourceVersion, '');
          assert.ok(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK'].includes(type));
        } catch (error) {
          assert.ok(error instanceof ApiError, String(error));
          assert.ok(error.message.length <= MAX_REASON);
        }
      },
    });
    fuzzing.run({
      what: 'list pages',
      input: mutatedText(PAGES, PROTOCOL_WORDS),
      runs: 4_000,
      check(text) {
        let json: unknown;
        try {
          json = JSON.parse(text);
        } catch {
          json = text;
        }
        try {
          const { items, resourceVersion } = parseListPage(json);
          assert.ok(Array.isArray(items) && resourceVersion !== '');
        } catch (error) {
          assert.ok(error instanceof ApiError, String(error));
        }
      },
    });
    const stream = Buffer.from(`${EVENTS.join('\n')}\n`);
    await fuzzing.runAsync({
      what: 'bytes cut into lines',
      input: fc.tuple(mutatedBytes([stream]), fc.array(fc.nat(stream.length), { maxLength: 8 })),
      runs: 1_500,
      async check([bytes, cuts]) {
        const lines: string[] = [];
        for await (const line of splitLines(cut(bytes, cuts))) lines.push(line);
        const whole = Buffer.from(bytes).subarray(0, bytes.lastIndexOf(0x0a) + 1);
        assert.deepEqual(
          lines.map((line) => Buffer.from(line)),
          whole
            .toString()
            .split('\n')
            .filter((line) => line !== '')
            .map((line) => Buffer.from(line)),
        );
      },
    });
    report(fuzzing.figures);
  },
  'lists and watches',
);

async function* cut(bytes: Uint8Array, cuts: readonly number[]): AsyncGenerator<Buffer> {
  const at = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
  for (const [i, from] of at.entries()) yield Buffer.from(bytes).subarray(from, at[i + 1] ?? from);
}

/** What the good server has at last. */
const LAST = [
  { ...SERVICE, metadata: { ...SERVICE.metadata, name: 'last', resourceVersion: '123456788' } },
  HEADLESS,
];
const LAST_PAGE = { metadata: { resourceVersion: '123456789' }, items: LAST };

/** Pages and streams as a server in trouble sends them; then a good list, and silence. */
class HostileServer implements ApiClient {
  readonly server = 'hostile';
  readonly #pages: string[];
  readonly #streams: Uint8Array[];
  /** Resolves when the good list has been followed by a watch. */
  readonly recovered: Promise<void>;
  #recover = () => {};

  constructor(pages: readonly string[], streams: readonly Uint8Array[]) {
    this.#pages = [...pages];
    this.#streams = [...streams];
    this.recovered = new Promise((resolve) => {
      this.#recover = resolve;
    });
  }

  async get(): Promise<unknown> {
    const page = this.#pages.shift();
    if (page === undefined) return LAST_PAGE;
    try {
      return JSON.parse(page);
    } catch {
      throw new ApiError('answer', 'not JSON');
    }
  }

  async *stream({ onAnswer, query, signal }: Parameters<ApiClient['stream']>[0]) {
    onAnswer?.();
    const bytes = this.#streams.shift();
    if (bytes) {
      yield Buffer.from(bytes);
      return;
    }
    if (query.resourceVersion !== LAST_PAGE.metadata.resourceVersion) {
      throw new ApiError('answer', 'too old', { status: 410 });
    }
    this.#recover();
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
  }

  async write(): Promise<void> {}

  close(): void {}
}

faultTest(
  test,
  'hostile-input',
  async (t, report) => {
    const fuzzing = new Fuzzing(t);
    const streams = [
      Buffer.from(`${EVENTS.slice(0, 6).join('\n')}\n`),
      Buffer.from(EVENTS.join('\n')),
    ];
    await fuzzing.runAsync({
      what: 'garbage, then a good list',
      input: fc.tuple(
        fc.array(mutatedText(PAGES, PROTOCOL_WORDS), { maxLength: 3 }),
        fc.array(mutatedBytes(streams), { maxLength: 3 }),
      ),
      runs: 400,
      async check([pages, garbage]) {
        const server = new HostileServer(pages, garbage);
        const clock = new VirtualClock();
        const reflector = createReflector({
          resource: SERVICES,
          client: server,
          log: SILENT_LOG,
          timing: { ...virtualTiming(clock, () => 0), pause: async () => {} },
        });
        const state = new ClusterState();
        const stop = new AbortController();
        const running = reflector.run(state, stop.signal);
        await server.recovered;
        stop.abort();
        await running;
        const expected = new ClusterState();
        for (const object of LAST) {
          const identity = parseKey(object, 'Namespaced');
          if ('key' in identity) SERVICES.parse(object)(expected, identity.key);
        }
        assert.deepEqual(servicesIn(state), servicesIn(expected));
        assert.deepEqual(state.skipped, []);
      },
    });
    report(fuzzing.figures);
  },
  'the reflector, then a good list',
);

function servicesIn(state: ClusterState): unknown {
  return [state.serviceCount, state.service('default/last'), state.foreignAddresses];
}
