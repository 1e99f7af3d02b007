// SPDX-License-Identifier: Apache-2.0
// What the kernel measures of the programs, when it is told to: sysctl kernel.bpf_stats_enabled costs each run of every
// BPF program on the machine some 20 ns, so it is for a look, not for ever. Read at every scrape.

import { Counter, type Registry } from './prom-client.ts';

export interface ProgramRuns {
  /** As the kernel names it, by its first 15 characters. */
  readonly program: string;
  readonly runs: number;
  readonly seconds: number;
}

/** @param read one entry for each name; empty when nothing is measured. */
export function registerProgramMetrics(
  registry: Registry,
  read: () => readonly ProgramRuns[],
): void {
  const counter = (name: string, help: string, collect?: () => void) =>
    new Counter({
      name,
      help,
      labelNames: ['program'],
      registers: [registry],
      ...(collect && { collect }),
    });
  const runs: Counter = counter(
    'signalbox_program_runs_total',
    'Runs of each BPF program, while kernel.bpf_stats_enabled is 1; else there is nothing here.',
    () => {
      runs.reset();
      seconds.reset();
      for (const { program, ...measured } of read()) {
        runs.inc({ program }, measured.runs);
        seconds.inc({ program }, measured.seconds);
      }
    },
  );
  // Collected with the one before, so that both are of one moment.
  const seconds = counter(
    'signalbox_program_run_seconds_total',
    'Time in each BPF program, while kernel.bpf_stats_enabled is 1. By signalbox_program_runs_total it is the time of a run.',
  );
}
