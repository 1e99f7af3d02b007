// SPDX-License-Identifier: Apache-2.0
// When each metric is a reason to look closer: the last column of docs/metrics.md. The alerts in deploy/ watch the ones
// that matter most.

const AS_OTHERS = 'never by itself';

export const WORRIES: Readonly<Record<string, string>> = {
  kubeproxy_sync_proxy_rules_duration_seconds: 'the 99th percentile stays above a second',
  kubeproxy_sync_full_proxy_rules_duration_seconds: AS_OTHERS,
  kubeproxy_sync_partial_proxy_rules_duration_seconds: 'as of all passes',
  kubeproxy_network_programming_duration_seconds:
    'some seconds are the control plane’s share: compare with `signalbox_programming_duration_seconds{since="arrival"}`, which is this node’s',
  kubeproxy_sync_proxy_rules_last_timestamp_seconds:
    'it stays more than a minute behind `…_last_queued_timestamp_seconds`',
  kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds: AS_OTHERS,
  kubeproxy_proxy_healthz_total:
    '503: load balancers leave this node; wanted when the Node is being deleted',
  kubeproxy_proxy_livez_total: '503: changes wait for longer than twice the sync period',
  kubeproxy_sync_proxy_rules_endpoint_changes_total: AS_OTHERS,
  kubeproxy_sync_proxy_rules_endpoint_changes_pending: 'above 0 for seconds',
  kubeproxy_sync_proxy_rules_service_changes_total: AS_OTHERS,
  kubeproxy_sync_proxy_rules_service_changes_pending: 'above 0 for seconds',
  kubeproxy_sync_proxy_rules_no_local_endpoints_total:
    '`external`: a load balancer without health checks sends clients here all the same; `internal`: pods of this node cannot use the Service',
  rest_client_requests_total:
    'a steady rate of `5..` or `<error>`: the API server is not reached; `403`: the role lacks something, the log says what',
  rest_client_request_duration_seconds: 'lists (GET) that take tens of seconds',
  signalbox_ready: '0 for longer than the start takes: `signalbox status` says what it waits for',
  signalbox_pass_duration_seconds: 'as of `kubeproxy_sync_proxy_rules_duration_seconds`',
  signalbox_programming_duration_seconds:
    '`arrival` above 0.1 s: the agent has too little CPU, or too many changes come',
  signalbox_table_writes_total: 'a high rate while nothing changes: something else writes, too',
  signalbox_failed_services_total: 'any',
  signalbox_repairs_total: 'any: something else on the node changes our tables',
  signalbox_closed_udp_sockets_total: AS_OTHERS,
  signalbox_services: AS_OTHERS,
  signalbox_endpoint_slices: AS_OTHERS,
  signalbox_skipped_objects: 'above 0: those objects are not served as they say',
  signalbox_failed_services: 'above 0: those Services are not as they should be on this node',
  signalbox_service_failed: 'any: `signalbox status` says why',
  signalbox_problems: 'above 0 for minutes: `signalbox status` names each',
  signalbox_table_entries:
    'above 80 % of `signalbox_table_capacity`, but for `slots`, which grow: `--table-size` makes room',
  signalbox_table_capacity: AS_OTHERS,
  signalbox_watch_relists_total: 'a steady rate: watches are cut before they can be resumed',
  signalbox_watch_failures_total: 'a steady rate: the API server is not reached',
  signalbox_dropped_events_total: 'a steady rate: the Events of this node do not tell everything',
  signalbox_service_connections_total: 'of a Service that is in use: none',
  signalbox_service_refusals_total:
    'a steady rate: the Service has no endpoint, or clients dial what it does not have; `signalbox explain` says which',
  signalbox_packets_total: 'see [packet counters](packet-counters.md)',
  signalbox_flow_entries_swept_total: AS_OTHERS,
  signalbox_flows: AS_OTHERS,
  signalbox_flow_table_entries: 'near `signalbox_flow_table_capacity`',
  signalbox_flow_table_capacity: AS_OTHERS,
  signalbox_flow_sweep_age_seconds: 'above some minutes: the agent is stuck',
  signalbox_masquerade_ports_in_use_max: 'above 80 % of `signalbox_masquerade_ports`',
  signalbox_masquerade_ports: AS_OTHERS,
  process_cpu_seconds_total: 'a steady rate above a tenth of a CPU while little changes',
  process_start_time_seconds: 'it changes often: the agent is restarted',
  process_resident_memory_bytes: 'it grows while the cluster does not',
  process_virtual_memory_bytes: AS_OTHERS,
  process_open_fds: 'it grows without end',
  process_max_fds: AS_OTHERS,
  go_goroutines: 'it grows without end',
  nodejs_heap_size_used_bytes: 'it grows while the cluster does not',
  nodejs_eventloop_lag_seconds: 'often above 0.1',
  signalbox_build_info: 'nodes with different versions for longer than an upgrade takes',
  signalbox_program_runs_total: AS_OTHERS,
  signalbox_program_run_seconds_total: 'by `signalbox_program_runs_total` above some microseconds',
};
