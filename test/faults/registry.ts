// SPDX-License-Identifier: Apache-2.0
// Every fault that Signalbox promises to live through: how it is brought about, and what is promised. Each has a test by
// its name (fault-test.ts), whose figures become its row of docs/faults.md.

export interface Fault {
  /** The heading that it stands under. */
  readonly group: FaultGroup;
  readonly fault: string;
  readonly injected: string;
  readonly promise: string;
}

export type FaultGroup =
  | 'Restart, upgrade, roll-back'
  | 'The API server'
  | 'Size'
  | 'The kernel says no'
  | 'Others on the node'
  | 'Security'
  | 'Long runs';

const RESTART = 'Restart, upgrade, roll-back';
const API = 'The API server';
const SIZE = 'Size';
const KERNEL = 'The kernel says no';
const OTHERS = 'Others on the node';
const SECURITY = 'Security';
const LONG = 'Long runs';

export const FAULTS = {
  'kill-between-writes-sockets': {
    group: RESTART,
    fault: 'killed between any two writes, traffic on sockets',
    injected:
      'SIGKILL at each call in turn that changes the kernel or bpffs, of a start, a change and a growth',
    promise: 'every look-up is the old or the new one; no connection fails',
  },
  'kill-between-writes-packets': {
    group: RESTART,
    fault: 'killed between any two writes, traffic on devices',
    injected: 'as above, clients behind devices',
    promise: 'every look-up is the old or the new one; no connection fails',
  },
  'kill-under-load': {
    group: RESTART,
    fault: 'killed and ended under load',
    injected: 'SIGKILL, then SIGTERM, with a new start each',
    promise: 'no connection fails, TCP, UDP and idle ones go on',
  },
  'partial-first-load': {
    group: RESTART,
    fault: 'killed while it makes its tables for the first time',
    injected: 'only some of the pins are there',
    promise: 'the next start completes them',
  },
  'new-programs': {
    group: RESTART,
    fault: 'a new version with other programs',
    injected: 'a build with a changed program, started in place of the one at work',
    promise: 'programs are replaced in place; no connection fails',
  },
  'layout-up': {
    group: RESTART,
    fault: 'a new version with other layouts',
    injected: 'a build with a field more in the tables',
    promise: 'new tables are filled, then switched to; long-lived connections go on',
  },
  'layout-down': {
    group: RESTART,
    fault: 'a roll-back to other layouts',
    injected: 'the build before, started in place of the newer one',
    promise: 'as above, the other way round',
  },
  'size-change': {
    group: RESTART,
    fault: 'a table gets another capacity',
    injected: 'other sizes asked for (`--table-size`), larger and smaller, and back',
    promise: 'as with another layout',
  },
  'new-build-refused': {
    group: RESTART,
    fault: 'a new version that this kernel refuses',
    injected:
      'a build with a program that the verifier does not take: of the packet path, of sockets',
    promise: 'what is at work goes on, the agent says what was refused',
  },
  'api-gone': {
    group: API,
    fault: 'gone for an hour',
    injected: 'no connection, an hour of the agent’s clock',
    promise: 'the last state stays, no write, memory flat; deletions are found afterwards',
  },
  'api-slow': {
    group: API,
    fault: 'slow',
    injected: 'lists and watches in drops of some bytes',
    promise: 'nothing is removed before a complete list; bounded in time',
  },
  'api-restart': {
    group: API,
    fault: 'restarts',
    injected: 'all watches end at once',
    promise: 'watches resume where they were; no list',
  },
  'api-410': {
    group: API,
    fault: '410 Gone, as a status, an event, in the middle of a list',
    injected: 'a compacted store',
    promise: 'one list of each kind and node, at a random time of some seconds',
  },
  'api-429': {
    group: API,
    fault: '429 with Retry-After',
    injected: 'refused for some seconds',
    promise: 'the time is kept, the last state stays',
  },
  'api-5xx': {
    group: API,
    fault: '500, 502, 503, 504',
    injected: 'refused one after the other',
    promise: 'tried again less and less often, the last state stays',
  },
  'api-half-line': {
    group: API,
    fault: 'half a line of JSON, and other garbage',
    injected: 'a watch that is cut within an event, again and again',
    promise: 'the last state stays; no list in a tight loop',
  },
  'api-twice': {
    group: API,
    fault: 'an object twice',
    injected: 'each event of a watch again',
    promise: 'no write',
  },
  'api-old-object': {
    group: API,
    fault: 'an old object after a newer one',
    injected: 'an event with a lower resourceVersion',
    promise: 'the newer state stays',
  },
  'api-silent-watch': {
    group: API,
    fault: 'a watch that never speaks',
    injected: 'accepted, then silent, connection open',
    promise: 'given up and resumed; listed after two of them',
  },
  'api-deleted-while-away': {
    group: API,
    fault: 'deletions while disconnected',
    injected: 'objects deleted and compacted behind a cut connection',
    promise: 'gone with the next complete list, not before',
  },
  'api-node-silent': {
    group: API,
    fault: 'Services are answered, the Node is not',
    injected: 'Node and ServiceCIDR are not answered at a restart',
    promise: 'what is known of the node stays in the tables',
  },
  'api-endless': {
    group: API,
    fault: 'lists and lines without an end',
    injected: 'continue for ever, a line that does not end',
    promise: 'a failure that is told; memory bounded',
  },
  'api-plugin-hangs': {
    group: API,
    fault: 'the plugin for credentials hangs',
    injected: 'an exec plugin that sleeps once',
    promise: 'it is ended and started again',
  },
  'size-10000-services': {
    group: SIZE,
    fault: '10,000 Services of 10 endpoints',
    injected: 'in steps, clients connecting throughout',
    promise: 'tables grow live; no connection fails',
  },
  'size-1000-of-100': {
    group: SIZE,
    fault: '1,000 Services of 100 endpoints',
    injected: 'at once, clients connecting throughout',
    promise: 'tables grow live; no connection fails',
  },
  'size-5000-endpoints': {
    group: SIZE,
    fault: 'one Service with 5,000 endpoints',
    injected: 'in slices of 100, clients connecting throughout',
    promise: 'every endpoint is reached; no connection fails',
  },
  'size-100000-frontends': {
    group: SIZE,
    fault: '100,000 frontends',
    injected: 'on tables of that size',
    promise: 'written and found, audited in pieces',
  },
  'size-ceiling': {
    group: SIZE,
    fault: 'more Services than a table holds',
    injected: 'a small ceiling',
    promise:
      'those that do not fit are named in status, metrics and an Event; all others work and change',
  },
  'churn-200': {
    group: SIZE,
    fault: '200 endpoint changes a second',
    injected: 'over the API, for a while (CHURN_SECONDS)',
    promise: 'lag bounded, event loop free, memory flat',
  },
  'refused-write': {
    group: KERNEL,
    fault: 'writes are refused',
    injected: 'EPERM, E2BIG, ENOSPC, EINTR, ENOENT, ENOMEM from each table’s writes in turn',
    promise: 'the Service is named, tried again, and then whole; others change meanwhile',
  },
  'refused-read': {
    group: KERNEL,
    fault: 'reads are refused',
    injected: 'ENOMEM, EPERM, EINTR from each table’s reads',
    promise: 'told and tried again; the agent goes on',
  },
  'refused-growth': {
    group: KERNEL,
    fault: 'the slots cannot grow, or not settle',
    injected: 'ENOMEM when the array is made, EINTR when it is waited for',
    promise: 'told, tried again; no slot is used twice',
  },
  'refused-start': {
    group: KERNEL,
    fault: 'loading, pinning, attaching is refused',
    injected: 'an errno from each call of a start in turn',
    promise: 'it ends with what, why and the cure; nothing is half attached',
  },
  'links-removed': {
    group: OTHERS,
    fault: 'pins of links are removed',
    injected: 'rm in bpffs under load',
    promise: 'no connection fails; pinned again',
  },
  'tables-removed': {
    group: OTHERS,
    fault: 'pins of tables are removed',
    injected: 'rm in bpffs under load',
    promise: 'no connection fails; pinned again, without a restart',
  },
  'bpffs-remounted': {
    group: OTHERS,
    fault: 'bpffs is unmounted and mounted again',
    injected: 'umount --lazy, mount, under load',
    promise: 'no connection fails; pinned again, without a restart',
  },
  'qdisc-deleted': {
    group: OTHERS,
    fault: 'a CNI deletes the clsact qdisc',
    injected: 'tc qdisc del',
    promise: 'put back, counted',
  },
  'device-flaps': {
    group: OTHERS,
    fault: 'a device goes and comes',
    injected: 'ip link del, add, rename, down, up',
    promise: 'served again',
  },
  'tcx-link-detached': {
    group: OTHERS,
    fault: 'a program is taken off a device',
    injected: 'the TCX link is detached by somebody else',
    promise: 'put back, counted',
  },
  'program-replaced': {
    group: OTHERS,
    fault: 'a program of ours is replaced in its link',
    injected: 'BPF_LINK_UPDATE by somebody else',
    promise: 'put back, counted',
  },
  'foreign-program': {
    group: OTHERS,
    fault: 'a foreign program on our hooks',
    injected: 'before and behind ours',
    promise: 'named by doctor; ours go on',
  },
  'second-agent': {
    group: OTHERS,
    fault: 'a second agent is started by mistake',
    injected: 'in the same and in another network namespace; while the first one is stopped',
    promise: 'it says who holds the lock and ends; the first goes on',
  },
  drift: {
    group: OTHERS,
    fault: 'somebody writes to our tables',
    injected: 'entries added, removed and changed in each table',
    promise: 'repaired by the audit and counted',
  },
  'least-capabilities': {
    group: SECURITY,
    fault: 'not all-powerful',
    injected: 'the capabilities of the DaemonSet and no others; each of them taken away',
    promise: 'works with all of them; doctor names what is missing, where something would not work',
  },
  'lock-squatted': {
    group: SECURITY,
    fault: 'an unprivileged process wants to keep the agent from starting',
    injected: 'it binds and locks what it can',
    promise: 'the agent starts',
  },
  'health-flood': {
    group: SECURITY,
    fault: 'many and slow connections to the health and metrics servers',
    injected: 'thousands, silent and in pieces',
    promise: 'probes are answered; number, size and time are bounded',
  },
  'hostile-text': {
    group: SECURITY,
    fault: 'control characters in what others name',
    injected: 'escape sequences in objects, answers and device names',
    promise: 'nothing reaches a terminal unescaped',
  },
  'secrets-in-logs': {
    group: SECURITY,
    fault: 'secrets in what is told',
    injected: 'marked tokens and passwords in every place that takes one',
    promise: 'not in log, status, Events and metrics',
  },
  'external-ips-list': {
    group: SECURITY,
    fault: 'a Service claims an address that is not its own',
    injected: 'externalIPs outside of the allowed ranges',
    promise: 'not served, and named',
  },
  'start-refused': {
    group: SECURITY,
    fault: 'a node on which it cannot work',
    injected: 'no bpffs, no cgroup v2, not root',
    promise: 'refused with the cure; with anything less it starts and tells',
  },
  'hostile-input': {
    group: LONG,
    fault: 'hostile input to every parser',
    injected:
      'mutated watch streams, lists, manifests, kubeconfigs, configurations, flags, HTTP, BTF, BPF objects, netlink messages, entries of tables',
    promise: 'no exception, no hang, bounded memory',
  },
  simulation: {
    group: LONG,
    fault: 'random clusters, faults and restarts',
    injected: 'a seeded history (SEED, SIMULATE)',
    promise: 'every invariant holds after every step',
  },
} as const satisfies Readonly<Record<string, Fault>>;

export type FaultId = keyof typeof FAULTS;
