// SPDX-License-Identifier: Apache-2.0
// What is on the dashboard, as rows of questions. Tested: every query parses and names metrics and labels that the
// agent has. Rates are over $__rate_interval, which Grafana fits to how often is scraped.

export interface Panel {
  readonly kind: 'stat' | 'graph';
  readonly title: string;
  /** What it says, and what to do about it. */
  readonly about: string;
  /** One of Grafana's. */
  readonly unit: string;
  /** PromQL, and what each line is called. */
  readonly queries: readonly (readonly [query: string, legend: string])[];
  /** From which value on it is red. */
  readonly bad?: number;
}

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

const NODE = 'instance=~"$instance"';
const RATE = '[$__rate_interval]';

function stat(title: string, unit: string, query: string, about: string, bad?: number): Panel {
  const queries = [[query, '']] as const;
  return { kind: 'stat', title, about, unit, queries, ...(bad !== undefined && { bad }) };
}

function graph(title: string, unit: string, queries: Panel['queries'], about: string): Panel {
  return { kind: 'graph', title, about, unit, queries };
}

function quantile(name: string, by = 'instance'): string {
  return `histogram_quantile(0.99, sum by (${by}, le) (rate(${name}_bucket{${NODE}}${RATE})))`;
}

function rate(name: string, by: string, labels = ''): string {
  return `sum by (${by}) (rate(${name}{${NODE}${labels}}${RATE}))`;
}

function busiest(name: string, labels = ''): string {
  return `topk(10, ${rate(name, 'namespace, service', labels)})`;
}

function outcomes(pattern: string): readonly [string, string] {
  return [rate('signalbox_packets_total', 'outcome', `, outcome=~"${pattern}"`), '{{outcome}}'];
}

export const ROWS: readonly Row[] = [
  {
    title: 'Is it working?',
    panels: [
      stat(
        'Agents up',
        'none',
        `sum(up{job="kube-proxy", ${NODE}})`,
        'Agents that Prometheus reaches.',
      ),
      stat(
        'Not ready',
        'none',
        `count(signalbox_ready{${NODE}} == 0) or vector(0)`,
        'Agents that have not come to serve since they started.',
        1,
      ),
      stat(
        'Failed Services',
        'none',
        `sum(signalbox_failed_services{${NODE}})`,
        'Services of which the kernel refused a write, over all nodes: signalbox status names them.',
        1,
      ),
      stat('Services', 'none', `max(signalbox_services{${NODE}})`, 'Services that are watched.'),
      stat(
        'Fullest table',
        'percentunit',
        `max(signalbox_table_entries{${NODE},table!="slots"} / signalbox_table_capacity{${NODE}})`,
        'Of the tables of Services: what does not fit fails by name.',
        0.8,
      ),
      stat(
        'Fullest flow table',
        'percentunit',
        `max(signalbox_flow_table_entries{${NODE}} / signalbox_flow_table_capacity{${NODE}})`,
        'Above nine tenths, connections that were not used for longest make room.',
        0.9,
      ),
      stat(
        'Source ports in use',
        'percentunit',
        `max(signalbox_masquerade_ports_in_use_max{${NODE}} / signalbox_masquerade_ports{${NODE}})`,
        'Towards the busiest backend. At one, new connections from outside fail.',
        0.8,
      ),
      stat(
        'Repairs in an hour',
        'none',
        `sum(increase(signalbox_repairs_total{${NODE}}[1h]))`,
        'Table entries that something else had changed.',
        1,
      ),
    ],
  },
  {
    title: 'Do changes arrive?',
    panels: [
      graph(
        'Programming latency, p99',
        's',
        [[quantile('kubeproxy_network_programming_duration_seconds'), '{{instance}}']],
        'From the change of a pod or a Service to the write of the table.',
      ),
      graph(
        'Changes',
        'ops',
        [
          [
            rate('kubeproxy_network_programming_duration_seconds_count', 'instance'),
            '{{instance}}',
          ],
        ],
        'Changes of endpoints that were programmed.',
      ),
      graph(
        'Passes, p99',
        's',
        [[quantile('kubeproxy_sync_proxy_rules_duration_seconds'), '{{instance}}']],
        'How long one pass over what changed takes: the agent’s own part of the latency.',
      ),
      graph(
        'Passes',
        'ops',
        [[rate('kubeproxy_sync_proxy_rules_duration_seconds_count', 'instance'), '{{instance}}']],
        'Passes that wrote to tables.',
      ),
    ],
  },
  {
    title: 'What becomes of packets from outside?',
    panels: [
      graph(
        'New connections',
        'ops',
        [[rate('signalbox_packets_total', 'instance', ', outcome="flow_created"'), '{{instance}}']],
        'On the packet path. What pods connect to is decided at their sockets and costs no packet anything.',
      ),
      graph(
        'Requests and replies',
        'pps',
        [outcomes('request_.*|reply_.*')],
        'Translated packets, by the way that they took.',
      ),
      graph(
        'Refused and dropped',
        'pps',
        [outcomes('refused_.*|dropped_.*')],
        'docs/packet-counters.md says of each what it means and what to do.',
      ),
      graph(
        'Open connections',
        'none',
        [[`sum by (protocol, state) (signalbox_flows{${NODE}})`, '{{protocol}} {{state}}']],
        'At the last sweep of the flow table.',
      ),
    ],
  },
  {
    title: 'Who is dialled?',
    panels: [
      graph(
        'Connections by Service, the busiest ten',
        'ops',
        [[busiest('signalbox_service_connections_total'), '{{namespace}}/{{service}}']],
        'From pods and from outside. The busiest 500 ports have lines of their own, the rest is one without a name.',
      ),
      graph(
        'Refusals by Service, the worst ten',
        'ops',
        [[busiest('signalbox_service_refusals_total'), '{{namespace}}/{{service}}']],
        'No endpoint may serve, or not this client: signalbox explain says which.',
      ),
      graph(
        'Connections from outside, by Service',
        'ops',
        [
          [
            busiest('signalbox_service_connections_total', ', path="packet"'),
            '{{namespace}}/{{service}}',
          ],
        ],
        'By the programs on network devices.',
      ),
      graph(
        'Connections of pods, by Service',
        'ops',
        [
          [
            busiest('signalbox_service_connections_total', ', path="socket"'),
            '{{namespace}}/{{service}}',
          ],
        ],
        'By the programs on sockets: they cost nothing once they are open.',
      ),
    ],
  },
  {
    title: 'Is there room?',
    panels: [
      graph(
        'Tables of Services',
        'percentunit',
        [
          [
            `max by (table) (signalbox_table_entries{${NODE},table!="slots"} / signalbox_table_capacity{${NODE}})`,
            '{{table}}',
          ],
        ],
        'The fullest of all nodes. --table-size makes room. Slots, which grow by themselves, are not here.',
      ),
      graph(
        'Flow table',
        'percentunit',
        [
          [
            `signalbox_flow_table_entries{${NODE}} / signalbox_flow_table_capacity{${NODE}}`,
            '{{instance}}',
          ],
        ],
        'Its size does not change by itself: --table-size, docs/capacity.md.',
      ),
      graph(
        'Source ports',
        'percentunit',
        [
          [
            `signalbox_masquerade_ports_in_use_max{${NODE}} / signalbox_masquerade_ports{${NODE}}`,
            '{{instance}}',
          ],
        ],
        'Towards the backend that has the most masqueraded connections.',
      ),
      graph(
        'Taken from the flow table',
        'ops',
        [[rate('signalbox_flow_entries_swept_total', 'reason'), '{{reason}}']],
        'By the agent’s sweeps: connections that are over, and UDP whose backend has left.',
      ),
    ],
  },
  {
    title: 'What does the agent need, and what does it ask?',
    panels: [
      graph(
        'Memory',
        'bytes',
        [[`process_resident_memory_bytes{job="kube-proxy", ${NODE}}`, '{{instance}}']],
        'Of the process. The tables in the kernel come on top.',
      ),
      graph(
        'CPU',
        'short',
        [[`rate(process_cpu_seconds_total{job="kube-proxy", ${NODE}}${RATE})`, '{{instance}}']],
        'Cores.',
      ),
      graph(
        'Requests to the API server',
        'ops',
        [[rate('rest_client_requests_total', 'code', ', job="kube-proxy"'), '{{code}}']],
        'By the code of the answer; <error> is none.',
      ),
      graph(
        'Time of those requests, p99',
        's',
        [[quantile('rest_client_request_duration_seconds', 'verb'), '{{verb}}']],
        'A watch counts until its answer begins.',
      ),
      graph(
        'Lost watches',
        'ops',
        [
          [rate('signalbox_watch_failures_total', 'kind'), 'failed: {{kind}}'],
          [rate('signalbox_watch_relists_total', 'kind'), 'listed anew: {{kind}}'],
        ],
        'Attempts to watch that failed, and lists that had to be made again after.',
      ),
      graph(
        'Health checks',
        'ops',
        [
          [rate('kubeproxy_proxy_healthz_total', 'code'), '/healthz {{code}}'],
          [rate('kubeproxy_proxy_livez_total', 'code'), '/livez {{code}}'],
        ],
        '503: load balancers take the node out, and kubelet restarts the agent.',
      ),
      graph(
        'Closed UDP sockets',
        'ops',
        [[rate('signalbox_closed_udp_sockets_total', 'instance'), '{{instance}}']],
        'Sockets that were connected to a backend that has left: their owners dial again.',
      ),
      graph(
        'Table writes',
        'ops',
        [[rate('signalbox_table_writes_total', 'instance'), '{{instance}}']],
        'Entries written or deleted.',
      ),
    ],
  },
];
