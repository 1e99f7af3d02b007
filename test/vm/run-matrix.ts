// SPDX-License-Identifier: Apache-2.0
// Runs the plan with every kernel, some guests at a time, and says how far they are. For main.ts.

import { KERNELS, type Kernel } from '../../scripts/guest/kernels.ts';
import { printDetail, printEnded, showStatus } from '../../scripts/progress.ts';
import { runShift, type ShiftResult } from './guest-run.ts';
import { type SuiteName, shiftsOf } from './plan.ts';
import { type GuestEvent, type KernelResult, mergeFiles, sumsOf } from './result.ts';
import { summary } from './tables.ts';

/** Far above need: a shift takes seven minutes where two processors have nothing else to do. */
const TIMEOUT_S = 3600;
/** So that a log shows that something moves, where no line can be overwritten. */
const HEARTBEAT_MS = 30_000;

export interface MatrixRun {
  readonly kernels: readonly Kernel[];
  readonly suites: readonly SuiteName[];
  /** Guests at a time. */
  readonly atOnce: number;
  readonly signal: AbortSignal;
}

export interface Matrix {
  readonly kernels: readonly KernelResult[];
  /** AVA's reports, and why guests ended too soon. */
  readonly reports: readonly string[];
}

interface Job {
  readonly kernel: Kernel;
  readonly suites: readonly SuiteName[];
}

/** Never throws. */
export async function runMatrix({ kernels, suites, atOnce, signal }: MatrixRun): Promise<Matrix> {
  const jobs = kernels.flatMap((kernel) =>
    shiftsOf(suites).map((shift): Job => ({ kernel, suites: shift })),
  );
  const shifts = new Map<Job, ShiftResult>();
  const reports: string[] = [];
  const progress = new Progress();
  const waiting = [...jobs];
  const worker = async () => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) {
      const { kernel } = job;
      const shift = await runShift({
        ...job,
        isPart: false,
        timeoutS: TIMEOUT_S,
        signal,
        onEvent: (event) => progress.tell(kernel.name, event),
      });
      shifts.set(job, shift);
      reports.push(...shift.reports.map((report) => `${kernel.name}:\n${report}`));
      progress.end(kernel.name);
      if (shift.trouble !== undefined) {
        printDetail(`✗ ${kernel.name}: ${shift.trouble}`);
        reports.push(`${kernel.name}: ${shift.trouble}`);
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  progress.stop();
  return {
    kernels: kernels.map((kernel) =>
      resultOf(
        kernel,
        jobs.flatMap((job) => (job.kernel === kernel ? (shifts.get(job) ?? []) : [])),
      ),
    ),
    reports,
  };
}

function resultOf(kernel: Kernel, shifts: readonly ShiftResult[]): KernelResult {
  const { name, release, version } = kernel;
  return {
    name,
    title: KERNELS.find((source) => source.name === name)?.title ?? '',
    release,
    package: kernel.package,
    version,
    files: mergeFiles(shifts.map(({ files }) => files)),
    programs: shifts.flatMap(({ programs }) => programs),
    findings: shifts.flatMap(({ findings }) => findings),
  };
}

/** A line for each file that ended, and what is under way. */
class Progress {
  readonly #startMs = performance.now();
  readonly #counts = new Map<string, number>();
  readonly #now = new Map<string, string>();
  readonly #heartbeat = setInterval(() => {
    if (!process.stdout.isTTY) printDetail(this.#text());
  }, HEARTBEAT_MS);

  tell(kernel: string, event: GuestEvent): void {
    if (event.kind === 'outcome') {
      const { verdict, subject, reason = '' } = event.outcome;
      if (verdict === 'failed') printDetail(`✗ ${kernel}: ${subject} ${reason}`);
      this.#counts.set(kernel, (this.#counts.get(kernel) ?? 0) + 1);
      this.#now.set(kernel, event.suite);
    } else if (event.kind === 'file') {
      const { file, secondTime } = event.result;
      const sums = sumsOf([event.result]);
      printEnded({
        name: `${kernel} ${file.replace(/^test\//, '').replace(/\.test\.ts$/, '')}`,
        ok: sums.failed === 0,
        durationMs: performance.now() - this.#startMs,
        note: summary(sums) + (secondTime === undefined ? '' : `; second attempt: ${secondTime}`),
      });
    }
    showStatus(this.#text());
  }

  end(kernel: string): void {
    this.#now.delete(kernel);
  }

  stop(): void {
    clearInterval(this.#heartbeat);
  }

  #text(): string {
    const texts = [...this.#counts].map(
      ([kernel, count]) => `${kernel} ${this.#now.get(kernel) ?? ''}: ${count} tests`,
    );
    return texts.length === 0 ? 'guests are starting' : texts.join(', ');
  }
}
