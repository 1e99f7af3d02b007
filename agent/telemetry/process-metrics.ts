// SPDX-License-Identifier: Apache-2.0
// The agent's process, by the names that every Prometheus exporter gives them. Not the library's own set of them: that
// one wakes the process a hundred times a second to measure its event loop, and adds sixty series that nobody reads.

import { readdirSync, readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { Counter, Gauge, type Registry } from './prom-client.ts';

const START_SECONDS = performance.timeOrigin / 1000;

/** @param version of this program. */
export function registerProcessMetrics(registry: Registry, version: string): void {
  const registers = [registry];
  const cpu: Counter = new Counter({
    name: 'process_cpu_seconds_total',
    help: 'CPU time of the agent, in user space and in the kernel.',
    registers,
    collect: () => {
      const { user, system } = process.cpuUsage();
      cpu.reset();
      cpu.inc((user + system) / 1e6);
    },
  });
  const add = (name: string, help: string, read: () => number | Promise<number>) => {
    const gauge: Gauge = new Gauge({
      name,
      help,
      registers,
      collect: async () => gauge.set(await read()),
    });
  };
  add('process_start_time_seconds', 'When the agent started, in seconds since 1970.', () => {
    return START_SECONDS;
  });
  add('process_resident_memory_bytes', 'Memory of the agent (RSS). Tables are in the kernel.', () =>
    process.memoryUsage.rss(),
  );
  add(
    'process_virtual_memory_bytes',
    'Address space of the agent. Much of it is reserved and never used.',
    () => virtualBytes(),
  );
  add('process_open_fds', 'Open file descriptors of the agent.', () => fdCount());
  add('process_max_fds', 'How many file descriptors the agent may open.', () => maxFds());
  add(
    'go_goroutines',
    'No goroutines: what goes on at once in this process, handles and requests, for the panel of kube-proxy’s dashboard that looks for leaks.',
    () => process.getActiveResourcesInfo().length,
  );
  add('nodejs_heap_size_used_bytes', 'JavaScript heap in use.', () => {
    return process.memoryUsage().heapUsed;
  });
  add('nodejs_eventloop_lag_seconds', 'How long the scrape waited for its turn.', eventLoopLag);
  new Gauge({
    name: 'signalbox_build_info',
    help: 'Always 1; its labels say what runs.',
    labelNames: ['version', 'node_version', 'platform'],
    registers,
  }).set(
    {
      version,
      node_version: process.version,
      platform: `${process.platform}/${process.arch}`,
    },
    1,
  );
}

async function eventLoopLag(): Promise<number> {
  const begun = performance.now();
  await setImmediate();
  return (performance.now() - begun) / 1000;
}

/** statm (proc_pid_statm(5)) counts in pages; of 4 KiB wherever this runs. */
function virtualBytes(): number {
  return Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[0]) * 4096;
}

function fdCount(): number {
  // The one that reads the folder is among them.
  return readdirSync('/proc/self/fd').length - 1;
}

function maxFds(): number {
  const [, limit] =
    /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
  return limit === 'unlimited' ? Infinity : Number(limit);
}
