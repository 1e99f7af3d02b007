// SPDX-License-Identifier: Apache-2.0
// `signalbox agent`: the DaemonSet's process. Its options become one checked configuration; agent-process.ts
// runs it.

import { Command, Option } from 'commander';
import type { AgentConfig } from '../config/agent-config.ts';
import { UsageError } from '../errors.ts';
import { parseDeviceNames } from '../model/device-choice.ts';
import { findCgroupRoot, requireCgroup } from '../sys/cgroup.ts';
import type { TcAttachMode } from '../sys/packet-programs.ts';
import { createLogger, LOG_LEVELS, type LogLevel } from '../telemetry/log.ts';
import { runAgent } from './agent-process.ts';
import { addNodeOptions, type NodeOptions, nodeConfig } from './node-options.ts';
import { bpffsOption, parseBindAddress, requireRoot } from './options.ts';

interface Options extends NodeOptions {
  readonly kubeconfig?: string;
  readonly master?: string;
  readonly manifests?: string;
  readonly proc: string;
  readonly cgroup?: string;
  readonly bpffs: string;
  readonly metricsBindAddress: string;
  readonly devices?: readonly string[];
  readonly podDevices: readonly string[];
  readonly tcAttach: TcAttachMode;
  readonly logLevel: LogLevel;
}

export function command(): Command {
  const agent = new Command('agent')
    .description('watch Services and keep this node’s datapath in step with them')
    .option('--kubeconfig <file>', 'reach the API server with this file (default: in-cluster)')
    .option('--master <url>', 'address of the API server; overrides the kubeconfig’s')
    .addOption(
      new Option('--manifests <dir>', 'no cluster: watch a folder of YAML manifests').conflicts([
        'kubeconfig',
        'master',
      ]),
    )
    .option(
      '--cgroup <dir>',
      'cgroup v2 directory whose processes are served (default: the root, wherever mounted)',
    )
    .addOption(bpffsOption())
    .option(
      '--metrics-bind-address <address>',
      "where /metrics is served; '' for nowhere",
      '127.0.0.1:10249',
    )
    .option(
      '--proc <dir>',
      'where the processes of the node are seen; in a container, the host’s',
      '/proc',
    )
    .addOption(
      new Option(
        '--devices <names>',
        "network devices on which packets from outside are served, as eth0,bond*; '' for none (default: all with a default route or a global address, and tunnels)",
      ).argParser((text: string) => deviceNames('--devices', text)),
    )
    .addOption(
      new Option(
        '--pod-devices <names>',
        'the node’s ends of pods’ devices to be served too, as veth*, for pods that do not use its sockets',
      )
        .argParser((text: string) => deviceNames('--pod-devices', text))
        .default([], 'none'),
    )
    .addOption(
      new Option('--tc-attach <way>', 'how programs are attached to devices')
        .choices(['auto', 'tcx', 'clsact'])
        .default('auto'),
    )
    .addOption(
      new Option('--log-level <level>', 'least level to log').choices(LOG_LEVELS).default('info'),
    )
    .action(run);
  return addNodeOptions(agent);
}

async function run(options: Options): Promise<void> {
  const config = configFrom(options);
  requireRoot();
  requireCgroup(config.cgroup);
  const log = createLogger(options.logLevel);
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      log.info({ signal }, 'stopping');
      stop.abort();
    });
  }
  await runAgent(config, log, stop.signal);
}

/** @throws UsageError */
function configFrom(options: Options): AgentConfig {
  const { kubeconfig, master, manifests, bpffs, proc } = options;
  const metrics = parseBindAddress('--metrics-bind-address', options.metricsBindAddress);
  return {
    source:
      manifests === undefined
        ? { kubeconfig, master, writes: { qps: 5, burst: 10 } }
        : { manifests },
    node: nodeConfig(options),
    cgroup: options.cgroup ?? findCgroupRoot(),
    bpffs,
    proc,
    metrics,
    healthz: parseBindAddress('--healthz-bind-address', '0.0.0.0:10256'),
    bindAddressHardFail: false,
    syncPeriodMs: 30_000,
    auditEveryMs: 5 * 60_000,
    kubeProxyConfiguration: {},
    packetPath: {
      devices: options.devices,
      podDevices: options.podDevices,
      attachMode: options.tcAttach,
    },
  };
}

/** @throws UsageError */
function deviceNames(option: string, text: string): readonly string[] {
  const names = parseDeviceNames(text);
  if ('invalid' in names) throw new UsageError(`${option}: ${names.invalid}`);
  return names;
}
