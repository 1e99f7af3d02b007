// SPDX-License-Identifier: Apache-2.0
// The end of a pod's process by the kubelet's rules: it goes on during preStop, is told by SIGTERM, and
// killed when the grace period is over. Invariant: a grace period that has begun only ever gets shorter.

export interface EndingProcess {
  kill(signal: 'SIGTERM' | 'SIGKILL'): unknown;
  readonly ended: Promise<unknown>;
}

const LEAST_GRACE_MS = 1_000;
/** After SIGTERM, whatever preStop has left of the grace period (kubelet, minimumGracePeriodInSeconds). */
const LEAST_TO_END_MS = 2_000;

export class Termination {
  readonly #process: EndingProcess;
  readonly #preStopMs: number;
  /** Of performance.now(); undefined before it has begun. */
  #tellAt: number | undefined;
  #killAt = Number.POSITIVE_INFINITY;
  #isTold = false;
  #hasEnded = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(process: EndingProcess, preStopSeconds: number) {
    this.#process = process;
    this.#preStopMs = preStopSeconds * 1000;
    void process.ended.then(() => {
      this.#hasEnded = true;
      clearTimeout(this.#timer);
    });
  }

  /** Begins, or goes on with what is left of the shorter grace period. @returns once the process has ended. */
  async within(graceSeconds: number): Promise<void> {
    const now = performance.now();
    const end = now + Math.max(graceSeconds * 1000, LEAST_GRACE_MS);
    this.#tellAt = Math.min(this.#tellAt ?? now + this.#preStopMs, end);
    this.#killAt = Math.min(
      this.#killAt,
      this.#isTold ? Math.max(end, now + LEAST_TO_END_MS) : end,
    );
    this.#wait();
    await this.#process.ended;
  }

  #wait(): void {
    if (this.#hasEnded || this.#tellAt === undefined) return;
    clearTimeout(this.#timer);
    const due = this.#isTold ? this.#killAt : this.#tellAt;
    this.#timer = setTimeout(() => this.#act(), Math.max(0, due - performance.now()));
  }

  #act(): void {
    if (this.#isTold) {
      this.#process.kill('SIGKILL');
      return;
    }
    this.#isTold = true;
    this.#killAt = Math.max(this.#killAt, performance.now() + LEAST_TO_END_MS);
    this.#process.kill('SIGTERM');
    this.#wait();
  }
}
