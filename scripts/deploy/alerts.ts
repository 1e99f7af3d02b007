// SPDX-License-Identifier: Apache-2.0
// Alerts: each is about what somebody must act upon, and says where the cure is written. Tested: every query parses and
// names metrics and labels that the agent has, every runbook is a heading of docs/troubleshooting.md.

export interface Alert {
  readonly name: string;
  readonly query: string;
  /** How long it must be so. */
  readonly forTime: string;
  readonly severity: 'critical' | 'warning' | 'info';
  readonly summary: string;
  readonly description: string;
  /** A heading of docs/troubleshooting.md, as its link. */
  readonly runbook: string;
}

const FLOW_FILL = 'signalbox_flow_table_entries / signalbox_flow_table_capacity';
const PORT_FILL = 'signalbox_masquerade_ports_in_use_max / signalbox_masquerade_ports';
const QUEUED = 'kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds';
const SYNCED = 'kubeproxy_sync_proxy_rules_last_timestamp_seconds';

function packets(outcome: string): string {
  return `sum by (instance) (rate(signalbox_packets_total{outcome="${outcome}"}[5m]))`;
}

export const ALERTS: readonly Alert[] = [
  {
    name: 'SignalboxDown',
    query: 'absent(up{job="kube-proxy"} == 1)',
    forTime: '15m',
    severity: 'critical',
    summary: 'No agent of Signalbox is seen',
    description:
      'Prometheus reaches no agent. Services go on as they were; no change of theirs reaches any node.',
    runbook: 'the-agent-is-not-running',
  },
  {
    name: 'SignalboxNodeDown',
    query: 'up{job="kube-proxy"} == 0',
    forTime: '15m',
    severity: 'warning',
    summary: 'The agent of {{ $labels.instance }} does not answer',
    description:
      'Prometheus does not reach this agent. Its node goes on with the Services that it had, without their changes.',
    runbook: 'the-agent-is-not-running',
  },
  {
    name: 'SignalboxNotReady',
    query: 'signalbox_ready == 0',
    forTime: '5m',
    severity: 'critical',
    summary: 'The agent of {{ $labels.instance }} has not come to serve',
    description:
      'Since it started it has not had the tables complete and the programs attached; most often the API server does not answer it.',
    runbook: 'the-agent-does-not-become-ready',
  },
  {
    name: 'SignalboxStuck',
    query: `${QUEUED} > ${SYNCED} and time() - ${QUEUED} > 60`,
    forTime: '1m',
    severity: 'critical',
    summary: 'Changes do not reach the tables of {{ $labels.instance }}',
    description:
      'A change has waited for more than a minute. /livez and /healthz answer 503, and load balancers take the node out.',
    runbook: 'changes-do-not-arrive',
  },
  {
    name: 'SignalboxFailedServices',
    query: 'signalbox_failed_services > 0',
    forTime: '5m',
    severity: 'warning',
    summary: '{{ $value }} Services are not as they should be on {{ $labels.instance }}',
    description:
      'The kernel refused writes for them; signalbox_service_failed and `signalbox status` name them, the latter with the reason.',
    runbook: 'a-service-has-failed',
  },
  {
    name: 'SignalboxNotHealthy',
    query: 'signalbox_problems > 0',
    forTime: '15m',
    severity: 'warning',
    summary: 'signalbox status says Not healthy on {{ $labels.instance }}',
    description:
      'It names {{ $value }} problems: a configuration that is refused, a self-test that failed, a device or a port that cannot be served, or what other alerts are about.',
    runbook: 'status-says-not-healthy',
  },
  {
    name: 'SignalboxTableNearlyFull',
    query: 'signalbox_table_entries{table!="slots"} / signalbox_table_capacity > 0.8',
    forTime: '15m',
    severity: 'warning',
    summary: 'The table {{ $labels.table }} of {{ $labels.instance }} is nearly full',
    description:
      '{{ $value | humanizePercentage }} of it is in use. What does not fit fails by name; all else goes on. `--table-size` of the agent makes room.',
    runbook: 'a-table-is-nearly-full',
  },
  {
    name: 'SignalboxFlowTableFull',
    query: `${FLOW_FILL} > 0.9`,
    forTime: '10m',
    severity: 'warning',
    summary: 'The flow table of {{ $labels.instance }} is nearly full',
    description:
      '{{ $value | humanizePercentage }} of it is in use. Connections from outside that were not used for longest make room.',
    runbook: 'the-flow-table-is-full',
  },
  {
    name: 'SignalboxFlowsRefused',
    query: `${packets('dropped_flow_table')} > 0`,
    forTime: '5m',
    severity: 'critical',
    summary: 'The flow table of {{ $labels.instance }} takes no entries',
    description: 'Connections from outside fail: the kernel has no memory for them.',
    runbook: 'the-flow-table-is-full',
  },
  {
    name: 'SignalboxSourcePortsNearlyExhausted',
    query: `${PORT_FILL} > 0.8`,
    forTime: '10m',
    severity: 'warning',
    summary: 'Source ports towards one backend run short on {{ $labels.instance }}',
    description: '{{ $value | humanizePercentage }} of them are in use.',
    runbook: 'source-ports-are-exhausted',
  },
  {
    name: 'SignalboxSourcePortsExhausted',
    query: `${packets('dropped_masquerade_ports_exhausted')} > 0`,
    forTime: '5m',
    severity: 'critical',
    summary: 'Connections from outside fail on {{ $labels.instance }}: no source port is free',
    description: '{{ $value | humanize }} packets a second are dropped for it.',
    runbook: 'source-ports-are-exhausted',
  },
  {
    name: 'SignalboxProgrammingSlow',
    query:
      'histogram_quantile(0.99, sum by (instance, le) (rate(kubeproxy_network_programming_duration_seconds_bucket[10m]))) > 10',
    forTime: '15m',
    severity: 'warning',
    summary: 'Changes take {{ $value | humanizeDuration }} to reach {{ $labels.instance }}',
    description:
      'One in a hundred, from the change of a pod to the write of the table. The time is mostly spent before the agent hears of it.',
    runbook: 'changes-arrive-late',
  },
  {
    name: 'SignalboxApiServerErrors',
    query: 'sum by (instance) (rate(rest_client_requests_total{code=~"5..|<error>"}[5m])) > 0',
    forTime: '15m',
    severity: 'warning',
    summary: 'Requests of {{ $labels.instance }} to the API server fail',
    description: 'Without it no change arrives; what is served stays served.',
    runbook: 'changes-do-not-arrive',
  },
  {
    name: 'SignalboxFlowSweepStuck',
    query: 'signalbox_flow_sweep_age_seconds > 300',
    forTime: '5m',
    severity: 'warning',
    summary: 'The agent of {{ $labels.instance }} does not look after its flow table',
    description: 'It should do so every half minute.',
    runbook: 'changes-do-not-arrive',
  },
  {
    name: 'SignalboxRepairs',
    query: 'increase(signalbox_repairs_total[30m]) > 0',
    forTime: '30m',
    severity: 'info',
    summary: 'Something else changes the {{ $labels.what }} of the agent of {{ $labels.instance }}',
    description: 'The agent mends them. Find who does it.',
    runbook: 'something-else-changes-the-tables',
  },
];
