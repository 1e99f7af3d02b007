// SPDX-License-Identifier: Apache-2.0
// An API server in memory, as the agent's client shows it, with all that may go wrong between the two. Used by the
// simulation.

import type { ApiClient, ApiRequest, ApiStream } from '../../agent/cluster/api-client.ts';
import { ApiError } from '../../agent/cluster/api-error.ts';
import { WATCHED_KINDS, type WatchedKind } from '../../agent/model/cluster-state.ts';
import { Wakeup } from '../../agent/reconcile/wakeup.ts';
import type { Write } from './api-objects.ts';
import type { Chance } from './chance.ts';
import { type ClusterEvent, ClusterHistory } from './cluster-history.ts';
import type { VirtualTime } from './virtual-time.ts';

/** What becomes of requests. `hang`: no answer; `silent`: watches are answered, and say nothing. */
export const OUTAGES = ['gone', 'hang', 'silent', 'garbage', '429', '500', '401', '403'] as const;
export type Outage = (typeof OUTAGES)[number];

/** What becomes of a watch that is open. */
export const LINE_FAULTS = [
  'cut',
  'half a line',
  'end',
  'error 410',
  'error 500',
  'garbage',
  'repeat',
  'old object',
  'bookmark',
] as const;
export type LineFault = (typeof LINE_FAULTS)[number];

const KINDS: Readonly<Record<string, WatchedKind>> = {
  services: 'Service',
  endpointslices: 'EndpointSlice',
  nodes: 'Node',
  servicecidrs: 'ServiceCIDR',
};
const BOOKMARK_MS = 60_000;
const ANSWER_MS = 30_000;
/** Lists of the past in a row; of more the agent rightly believes that the cluster was restored. */
const OLD_LISTS = 4;

interface Line {
  readonly kind: WatchedKind;
  readonly bell: Wakeup;
  readonly faults: LineFault[];
  position: number;
}

export class SimulatedApi implements ApiClient {
  readonly server = 'simulated';
  readonly history = new ClusterHistory();
  /** The longest that an event, or a page, is on its way. */
  delayMs = 0;
  /** So many objects in a page. */
  pageSize = 100;
  readonly #time: VirtualTime;
  readonly #chance: Chance;
  readonly #outages = new Map<WatchedKind, Outage>();
  readonly #lines = new Set<Line>();
  /** How far behind lists of a kind are, for how many more. */
  readonly #lags = new Map<WatchedKind, { readonly changes: number; left: number }>();
  #forgotten = 0;

  constructor(time: VirtualTime, chance: Chance) {
    this.#time = time;
    this.#chance = chance;
  }

  /** Watches that are open. */
  get openLines(): number {
    return this.#lines.size;
  }

  change(write: Write): void {
    this.history.write(write);
    this.#ring();
  }

  /** Nobody writes in a simulation. */
  async write(): Promise<void> {}

  setOutage(kind: WatchedKind, outage: Outage | undefined): void {
    if (outage === undefined) this.#outages.delete(kind);
    else this.#outages.set(kind, outage);
    this.#ring();
  }

  /** For `ms`, and for all kinds. */
  beGone(ms: number): void {
    for (const kind of WATCHED_KINDS) {
      this.setOutage(kind, 'gone');
      this.spoil(kind, 'cut');
    }
    this.#time.after(ms, () => {
      for (const kind of WATCHED_KINDS) this.setOutage(kind, undefined);
    });
  }

  spoil(kind: WatchedKind, fault: LineFault): void {
    for (const line of this.#lines) if (line.kind === kind) line.faults.push(fault);
    this.#ring();
  }

  /** Only who is up to date may go on watching, or reading a list. */
  compact(): void {
    this.#forgotten = this.history.version;
  }

  /** A list is needed, and the next ones come from a server that has not heard of the last changes. */
  lag(kind: WatchedKind, changes: number): void {
    this.#lags.set(kind, { changes, left: OLD_LISTS });
    this.spoil(kind, 'error 410');
  }

  endFaults(): void {
    this.#outages.clear();
    this.#lags.clear();
    this.delayMs = 0;
    this.#ring();
  }

  async get({ path, query, signal }: ApiRequest): Promise<unknown> {
    const kind = kindOf(path);
    await this.#answer(kind, signal);
    if (this.#outages.get(kind) === 'garbage') return { kind: 'Status' };
    const [version, from] = query.continue?.split(' ').map(Number) ?? [this.#listVersion(kind), 0];
    if (version === undefined || from === undefined)
      throw new Error('a token that was never given');
    if (from > 0 && version < this.#forgotten) throw status(410, 'the token is too old');
    const items = [...this.history.at(kind, version).values()];
    const to = from + this.pageSize;
    const isLast = to >= items.length;
    const metadata = {
      resourceVersion: `${version}`,
      ...(!isLast && { continue: `${version} ${to}` }),
    };
    return { kind: 'List', metadata, items: items.slice(from, to) };
  }

  async *stream({ path, query, signal, ...stream }: ApiStream): AsyncGenerator<Buffer> {
    const kind = kindOf(path);
    await this.#answer(kind, signal);
    const position = Number(query.resourceVersion);
    const isForgotten = position < this.#forgotten;
    if (isForgotten && this.#chance() < 0.5) throw status(410, 'too old resource version');
    stream.onAnswer?.();
    if (isForgotten) yield errorLine(410);
    if (isForgotten) return;
    const line: Line = { kind, bell: new Wakeup(), faults: [], position };
    this.#lines.add(line);
    try {
      yield* this.#tell(
        line,
        this.#time.nowMs + Number(query.timeoutSeconds) * 1000,
        stream,
        signal,
      );
    } finally {
      this.#lines.delete(line);
    }
  }

  close(): void {}

  async *#tell(
    line: Line,
    endsMs: number,
    { silenceMs }: Pick<ApiStream, 'silenceMs'>,
    signal: AbortSignal,
  ): AsyncGenerator<Buffer> {
    let heardMs = this.#time.nowMs;
    while (!signal.aborted) {
      const isSilent = this.#outages.get(line.kind) === 'silent';
      const fault = isSilent ? undefined : line.faults.shift();
      if (fault === 'end') return;
      const pieces = fault ? this.#spoilt(line, fault) : isSilent ? [] : this.#news(line);
      for (const piece of pieces) {
        await this.#delay(signal);
        if (signal.aborted) return;
        yield piece;
        heardMs = this.#time.nowMs;
      }
      if (fault === 'half a line') return;
      if (fault || pieces.length > 0) continue;
      const now = this.#time.nowMs;
      if (now >= endsMs && !isSilent) return;
      if (now >= heardMs + silenceMs()) throw new ApiError('timeout', 'nothing came');
      if (now >= heardMs + BOOKMARK_MS && !isSilent) line.faults.push('bookmark');
      else await this.#rest(line, isSilent, [heardMs, endsMs, silenceMs()], signal);
    }
  }

  async #rest(
    { bell }: Line,
    isSilent: boolean,
    [heardMs, endsMs, silenceMs]: readonly [number, number, number],
    signal: AbortSignal,
  ): Promise<void> {
    const deafMs = heardMs + silenceMs;
    const untilMs = isSilent ? deafMs : Math.min(deafMs, endsMs, heardMs + BOOKMARK_MS);
    await bell.wait(Math.max(1, untilMs - this.#time.nowMs), signal);
  }

  #news(line: Line): Buffer[] {
    const event = this.history.next(line.kind, line.position);
    if (!event) return [];
    line.position = event.version;
    const whole = lineOf(event);
    if (this.#chance() < 0.9) return [whole];
    const cut = 1 + Math.floor(this.#chance() * (whole.length - 1));
    return [whole.subarray(0, cut), whole.subarray(cut)];
  }

  #spoilt(line: Line, fault: LineFault): Buffer[] {
    const told = this.history.events(line.kind, line.position);
    const [last] = told.slice(-1);
    const any = told[Math.floor(this.#chance() * told.length)];
    switch (fault) {
      case 'cut':
        throw new ApiError('connection', 'cut');
      case 'error 410':
        return [errorLine(410)];
      case 'error 500':
        return [errorLine(500)];
      case 'garbage':
        return [Buffer.from('{"type":"ADDED","object":\n')];
      case 'bookmark':
        return [eventLine('BOOKMARK', { metadata: { resourceVersion: `${line.position}` } })];
      case 'half a line': {
        const next = this.history.next(line.kind, line.position) ?? last;
        return next ? [lineOf(next).subarray(0, 40)] : [];
      }
      case 'repeat':
        return last ? [lineOf(last)] : [];
      default:
        return any ? [lineOf(any)] : [];
    }
  }

  /** @throws ApiError, where that is what becomes of a request. */
  async #answer(kind: WatchedKind, signal: AbortSignal): Promise<void> {
    await this.#delay(signal);
    const outage = this.#outages.get(kind);
    if (signal.aborted || outage === 'gone') throw new ApiError('connection', 'nobody is there');
    if (outage === 'hang') {
      await this.#time.pause(ANSWER_MS, signal);
      throw new ApiError('timeout', 'no answer');
    }
    if (outage === '429') throw status(429, 'too many', 1000 + Math.floor(this.#chance() * 9000));
    if (outage === '500' || outage === '401' || outage === '403')
      throw status(Number(outage), 'no');
  }

  #listVersion(kind: WatchedKind): number {
    const lag = this.#lags.get(kind);
    if (!lag) return this.history.version;
    lag.left -= 1;
    if (lag.left <= 0) this.#lags.delete(kind);
    const missed = this.history.events(kind).at(-lag.changes);
    return Math.max(1, this.#forgotten, (missed?.version ?? this.history.version) - 1);
  }

  async #delay(signal: AbortSignal): Promise<void> {
    const ms = Math.floor(this.#chance() * (this.delayMs + 1));
    if (ms > 0) await this.#time.pause(ms, signal);
  }

  #ring(): void {
    for (const { bell } of this.#lines) bell.ring();
  }
}

function kindOf(path: string): WatchedKind {
  const kind = KINDS[path.slice(path.lastIndexOf('/') + 1)];
  if (!kind) throw new Error(`nothing is known of ${path}`);
  return kind;
}

function status(code: number, message: string, retryAfterMs?: number): ApiError {
  return new ApiError('status', `${code} ${message}`, {
    status: code,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

function errorLine(code: number): Buffer {
  return eventLine('ERROR', { kind: 'Status', code, message: 'too old' });
}

function lineOf({ type, object }: ClusterEvent): Buffer {
  return eventLine(type, object);
}

function eventLine(type: string, object: unknown): Buffer {
  return Buffer.from(`${JSON.stringify({ type, object })}\n`);
}
