// SPDX-License-Identifier: Apache-2.0
// What runs in a guest with another kernel: the project's own tests, by file. Pure. For main.ts and oldest-kernel.test.ts,
// which start guests, in-guest.ts, which runs the suites in one, and docs/kernels.md, which shows what became of them.

export const SUITES = ['doctor', 'load', 'packets', 'sockets', 'devices', 'restart'] as const;
export type SuiteName = (typeof SUITES)[number];

export interface Suite {
  /** For people: what the kernel is asked. */
  readonly title: string;
  readonly files: readonly string[];
  /** Of these files only tests with such titles, where each takes long: patterns of AVA's --match. */
  readonly titles?: Readonly<Record<string, readonly string[]>>;
  /** Those that the part within `npm test` runs, in the guest with the oldest kernel. */
  readonly inPart: readonly string[];
}

const netns = (...names: readonly string[]) => names.map((name) => `test/netns/${name}.test.ts`);
const prog = (...names: readonly string[]) => names.map((name) => `test/prog/${name}.test.ts`);

export const PLAN: Readonly<Record<SuiteName, Suite>> = {
  doctor: {
    title: '`signalbox doctor`, on the guest itself and on a node of a test',
    files: netns('doctor'),
    titles: { 'test/netns/doctor.test.ts': ['a node that is well*'] },
    inPart: [],
  },
  load: {
    title: 'every program is taken by the verifier',
    files: [],
    inPart: [],
  },
  packets: {
    title: 'packets, as the programs of the packet path answer them',
    files: prog(
      'flows',
      'forwarding',
      'fragments',
      'handover',
      'icmp',
      'journeys',
      'refusals',
      'requests',
      'service-counts',
      'tunnels',
      'untouched',
    ),
    inPart: prog('journeys'),
  },
  sockets: {
    title: 'sockets: what connect() and its like answer, with errno',
    files: netns('sockets', 'socket-dials', 'unconnected-udp', 'stale-sockets'),
    inPart: netns('sockets', 'stale-sockets'),
  },
  devices: {
    title: 'devices, and real packets between network namespaces',
    files: netns('devices', 'packet-attach'),
    titles: {
      'test/netns/devices.test.ts': ['auto:*', 'clsact: somebody deletes*'],
    },
    inPart: [],
  },
  restart: {
    title: 'the agent ends, is killed, and comes back',
    files: netns('agent-life'),
    titles: { 'test/netns/agent-life.test.ts': ['*SIGKILL, sockets', 'a new start rewrites*'] },
    inPart: [],
  },
};

/**
 * Half of what a kernel allows (BPF_COMPLEXITY_LIMIT_INSNS). The figure for the kernel that bpf/costs.json is from is lower:
 * older verifiers take several times as many steps for the same program.
 */
export const MOST_VERIFIED = 500_000;

/** What suites have beside their files. */
export const BESIDE: Readonly<Partial<Record<SuiteName, string>>> = {
  doctor: 'signalbox doctor',
  load: 'bpf/build',
};

/** The suites of one guest. Each kernel is booted once for each, so that two processors have the same to do. */
export const SHIFTS: readonly (readonly SuiteName[])[] = [
  ['load', 'packets'],
  ['doctor', 'sockets', 'devices', 'restart'],
];

/** The suites of `npm test`, in one guest. */
export const PART: readonly SuiteName[] = ['load', 'packets', 'sockets'];
export const PART_KERNEL = '6.1';

/** Folders of tests and single files that no guest runs, each with the reason. */
export const LEFT_OUT: readonly { readonly what: string; readonly why: string }[] = [
  {
    what: '`test/prog/flow-queue`',
    why: 'floods of hundreds of thousands of packets: minutes for each row without a processor’s help',
  },
  {
    what: '`test/prog/costs`',
    why: 'its place is taken by the load of every program, for which the figures of another kernel are no failure',
  },
  {
    what: '`test/prog/outcomes`',
    why: 'about the tests beside it, not about the kernel',
  },
  {
    what: '`test/netns/removed-pins`',
    why: 'what it asks about is mended by the agent within seconds, and an emulated command may take longer than that to look; all three kernels have passed it, but not each time',
  },
  {
    what: 'the other files of `test/netns`',
    why: 'about the agent and the cluster’s objects more than about the kernel, or about kube-proxy’s rules',
  },
  {
    what: '`test/unit`, `test/scenario`, `test/fuzz`, `test/bench`',
    why: 'decisions of the agent, which no kernel takes part in; and figures, which emulation has none of',
  },
];

/** @returns the files of a suite, all of them or those of `npm test`. */
export function filesOf(suite: SuiteName, isPart: boolean): readonly string[] {
  return isPart ? PLAN[suite].inPart : PLAN[suite].files;
}

/** @returns the titles of a file that are run; undefined when all are. */
export function titlesOf(suite: SuiteName, file: string): readonly string[] | undefined {
  return PLAN[suite].titles?.[file];
}

/** @returns the patterns that no title matches: then somebody has given a test another name. `*` is for anything. */
export function unmatched(
  patterns: readonly string[],
  titles: readonly string[],
): readonly string[] {
  return patterns.filter((pattern) => {
    const parts = pattern.split('*').map((part) => RegExp.escape(part));
    return !titles.some((title) => new RegExp(`^${parts.join('.*')}$`, 's').test(title));
  });
}

/** @returns everything that a guest tells of when it runs a suite, as `FileResult` names it. */
export function subjectsOf(suite: SuiteName, isPart: boolean): readonly string[] {
  const beside = BESIDE[suite];
  return [...(beside === undefined ? [] : [beside]), ...filesOf(suite, isPart)];
}

/** @returns the shifts with nothing but these suites; none that is empty. */
export function shiftsOf(suites: readonly SuiteName[]): readonly (readonly SuiteName[])[] {
  return SHIFTS.map((shift) => shift.filter((suite) => suites.includes(suite))).filter(
    (shift) => shift.length > 0,
  );
}
