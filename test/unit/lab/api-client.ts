// SPDX-License-Identifier: Apache-2.0
// What the API server's tests share: a server that goes away with the test, requests, a watch read by lines.

import { Readable } from 'node:stream';
import type { ExecutionContext } from 'ava';
import { ApiServer, type ApiServerOptions } from '../../lab/api-server.ts';
import { type KubeObject, type ObjectMeta, ObjectStore } from '../../lab/object-store.ts';

/** The Accept header of `kubectl get`. */
export const TABLE =
  'application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json';

export interface WatchEvent {
  readonly type: string;
  readonly object: KubeObject;
}

export interface ObjectList {
  readonly metadata: {
    readonly resourceVersion: string;
    readonly continue?: string;
    readonly remainingItemCount?: number;
  };
  readonly items: readonly KubeObject[];
}

export async function serve(t: ExecutionContext, options: ApiServerOptions = {}) {
  const store = new ObjectStore();
  const api = new ApiServer(store, options);
  t.teardown(() => api.close());
  const port = await api.listen({ host: '127.0.0.1', port: 0 });
  return { store, api, url: `http://127.0.0.1:${port}` };
}

export function service(
  name: string,
  metadata: Partial<ObjectMeta> = {},
  spec: object = {},
): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { ...metadata, name },
    spec: { selector: { app: 'web' }, ports: [{ port: 80 }], ...spec },
  };
}

/** @returns the status and the body of a request. */
export async function send(
  method: string,
  url: string,
  body?: unknown,
  mediaType = 'application/json',
): Promise<{ status: number; body: KubeObject & Record<string, unknown> }> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const response = await fetch(url, {
    method,
    ...(body !== undefined && { body: text, headers: { 'content-type': mediaType } }),
  });
  return { status: response.status, body: (await response.json()) as KubeObject };
}

export async function list(url: string): Promise<ObjectList> {
  return (await fetch(url)).json() as Promise<ObjectList>;
}

/** Opens a watch; it is over with the test. */
export async function openWatch(t: ExecutionContext, url: string) {
  const abort = new AbortController();
  t.teardown(() => abort.abort());
  const { body } = await fetch(url, { signal: abort.signal });
  const lines = linesOf(Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]));
  const next = async (): Promise<WatchEvent> => {
    const { value, done } = await lines.next();
    if (done) throw new Error('the watch has ended');
    return JSON.parse(value);
  };
  return {
    next,
    /** The next `count` events as `resourceVersion type name`. */
    async take(count: number): Promise<string[]> {
      const taken: string[] = [];
      for (let i = 0; i < count; i++) {
        const { type, object } = await next();
        taken.push(`${object.metadata.resourceVersion} ${type} ${object.metadata.name}`);
      }
      return taken;
    },
    /** All further events until the server ends the watch. */
    async rest(): Promise<WatchEvent[]> {
      const events: WatchEvent[] = [];
      for await (const line of lines) events.push(JSON.parse(line));
      return events;
    },
  };
}

async function* linesOf(stream: Readable): AsyncGenerator<string> {
  let pending = '';
  for await (const piece of stream) {
    const lines = (pending + piece.toString('utf8')).split('\n');
    pending = lines.pop() ?? '';
    yield* lines;
  }
}
