// SPDX-License-Identifier: Apache-2.0
// What the kernel measures of the programs, when it is told to: sysctl kernel.bpf_stats_enabled costs each run of every
// BPF program on the machine some 20 ns, so it is for a look, not for ever. Read at every scrape.

import { Counter, type Registry } from 'prom-client';

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
  const add = (name: string, help: string, value: (runs: ProgramRuns) => number) => {
    const counter: Counter = new Counter({
      name,
      help,
      labelNames: ['program'],
      registers: [registry],
      collect: () => {
        counter.reset();
        for (const runs of read()) counter.inc({ program: runs.program }, value(runs));
      },
    });
  };
  add(
    'signalbox_program_runs_total',
    'Runs of each BPF program, while kernel.bpf_stats_enabled is 1; else there is nothing here.',
    ({ runs }) => runs,
  );
  add(
    'signalbox_program_run_seconds_total',
    'Time in each BPF program, while kernel.bpf_stats_enabled is 1. By signalbox_program_runs_total it is the time of a run.',
    ({ seconds }) => seconds,
  );
}
