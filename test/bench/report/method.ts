// SPDX-License-Identifier: Apache-2.0
// How each part of a report is measured and what it cannot show, a paragraph each. The same of every run; what is
// particular to one stands in its notes.

export const METHOD: readonly string[] = [
  'Where: everything runs on one machine, in network namespaces joined by veth devices. Each proxy has a node, a client pod and a server pod of its own, all of them at the same time and with the same API server in process. There is no CNI plugin, no physical network card and no cluster around: absolute times are shorter than in one, and ratios larger, because a real network would add the same to every arm. With few CPUs, client, server and kernel share them.',
  'Compared with: kube-proxy runs with its own defaults but for what keeps it inside of its node’s namespace. Where no kube-proxy was at hand, rules of the same shape stand in for it and are called stand-ins wherever they appear: they are written once and have no process, so they show what packets pay and nothing of starts, changes or memory.',
  'Latency: in every round each arm has its turn, in changing order, so that what disturbs the machine disturbs all. A client in C measures single exchanges; the target is one of all Services at random. Ratios are of the medians of all rounds; beside them stand the least and the greatest of any round. No proxy is measured twice: how far the two are apart is the noise of the comparison (A/A). Percentiles above p99 are left to the JSON file, because on a shared machine they tell of its other work.',
  'What those pay that use no Service: the same exchange straight to the pod, past the same devices and hooks, with the proxy in place.',
  'NodePort: the client is outside of every node, at the other end of a veth device; the backend is a pod of the node (local), or of another node behind it (remote). Direct is plain routing over the same devices.',
  'Streams and small datagrams: CPU is all that was spent for a gigabyte (10^9 bytes) of one TCP stream, or for a million datagrams: client, server, and what the kernel did on the way. veth passes segments of 64 KB that a network card would cut.',
  'Starts: cold begins with nothing in the kernel, and lasts from starting the process until connections through the last Service succeed. Warm has what the process before left in the kernel, and lasts until the process says that it is ready; small is warm with few Services. CPU is that of the process, without the kernel’s own threads.',
  'Changes: from storing new endpoints of one Service in the API server to the beginning of the first new connection that lands on them, tried over and over; the time between two tries is given. What had not landed when the measurement ended counts as if it had then.',
  'Restarts: kill -9 under load; a change while the process is away; a start. Every exchange that went unanswered counts.',
  'Memory and idle CPU: of the process once it has settled, from /proc; of tables and rules in the kernel from a memory cgroup where the kernel tells. Idle CPU comes from the process’ clock ticks: less than 0.1 % is not told from nothing.',
  'BPF programs: from the kernel’s statistics of each program while one kind of traffic ran; counting itself costs a part of what it counts.',
];
