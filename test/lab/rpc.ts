// SPDX-License-Identifier: Apache-2.0
// Calls into a child process over Node's IPC channel: how the lab drives programs inside namespaces.
// A result that is a listening net.Server moves to the caller, socket and all.

import type { ChildProcess } from 'node:child_process';
import net from 'node:net';

/** What a child answers: one parameter, plain data; the result too. */
// biome-ignore lint/suspicious/noExplicitAny: each method has a parameter of its own
export type Methods = Record<string, (parameters: any) => unknown>;

type Parameters0<Method extends (parameters: never) => unknown> = Parameters<Method>[0];

interface Call {
  readonly id: number;
  readonly method: string;
  readonly parameters: unknown;
}

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

/** Held by the parent. */
export class Remote<M extends Methods> {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: Answer, handle: unknown) => void>();
  #lastId = 0;

  constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', (answer: Answer, handle: unknown) => {
      const settle = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      settle?.(answer, handle);
    });
    child.once('disconnect', () => {
      for (const [id, settle] of this.#waiting)
        settle({ id, error: 'the process ended' }, undefined);
      this.#waiting.clear();
    });
  }

  /** @throws Error with the child's message; when the child ends before it has answered, too. */
  call<Name extends keyof M & string>(
    method: Name,
    parameters: Parameters0<M[Name]>,
  ): Promise<Awaited<ReturnType<M[Name]>>> {
    const call: Call = { id: ++this.#lastId, method, parameters };
    return new Promise((resolve, reject) => {
      if (!this.#child.connected) {
        reject(new Error(`${method}: the process ended`));
        return;
      }
      this.#waiting.set(call.id, ({ result, error }, handle) => {
        if (error === undefined) resolve((handle ?? result) as Awaited<ReturnType<M[Name]>>);
        else reject(new Error(`${method}: ${error}`));
      });
      this.#child.send(call, (error) => {
        if (!error) return;
        this.#waiting.delete(call.id);
        reject(new Error(`${method}: ${error.message}`));
      });
    });
  }
}

/** Called by the child, once. It ends with its parent. */
export function answerCalls(methods: Methods): void {
  process.on('disconnect', () => process.exit(0));
  process.on('message', async ({ id, method, parameters }: Call) => {
    try {
      const result = await methods[method]?.(parameters);
      // The parent has its own copy of the socket then: two that accept would share the connections.
      if (result instanceof net.Server) process.send?.({ id }, result, {}, () => result.close());
      else process.send?.({ id, result } satisfies Answer);
    } catch (error) {
      process.send?.({ id, error: (error as Error).message } satisfies Answer);
    }
  });
}
