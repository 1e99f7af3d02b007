// SPDX-License-Identifier: Apache-2.0
// A node that packets are shown to: the loaded TC programs over tables of their own, which are filled by the
// agent's own resolve, plan and apply, in a namespace with devices and routes. A row then reads: given these
// Services, this packet in by that device; this verdict, this packet out, these counts, these flows.

import path from 'node:path';
import type { ExecutionContext } from 'ava';
import type { IpPrefix } from '../../agent/model/address.ts';
import { ClusterState } from '../../agent/model/cluster-state.ts';
import { nodeFacts } from '../../agent/model/node-facts.ts';
import { type EndpointSliceSpec, objectKey, type ServiceSpec } from '../../agent/model/objects.ts';
import type { PortRange } from '../../agent/model/port-ranges.ts';
import { protocolName } from '../../agent/model/protocol.ts';
import { handOver } from '../../agent/reconcile/hand-over.ts';
import { nodeStateOf } from '../../agent/reconcile/node-tables.ts';
import { type NodeView, Reconciler } from '../../agent/reconcile/reconciler.ts';
import { possibleCpus } from '../../agent/sys/cpus.ts';
import { tableSetup } from '../../agent/sys/datapath.ts';
import { KernelMap } from '../../agent/sys/kernel-map.ts';
import {
  DeviceFlags,
  FlowFlags,
  type FlowKey,
  type FlowQueueEnd,
  type FlowValue,
  type FragmentKey,
  type FragmentPorts,
  MAPS,
  type NodeFlags,
  PacketOutcome,
  type RefusalBudget,
} from '../../agent/sys/layout.gen.ts';
import { RawMap } from '../../agent/sys/libbpf/map.ts';
import { LoadedObject } from '../../agent/sys/libbpf/object.ts';
import { type TestContext, testRun } from '../../agent/sys/libbpf/test-run.ts';
import { OUTCOMES, openPacketTables, type PacketTables } from '../../agent/sys/packet-tables.ts';
import { perCpu } from '../../agent/sys/per-cpu.ts';
import { prefixes } from '../helpers/objects.ts';
import { openRealTables, type RealTables } from '../helpers/real-tables.ts';
import { SILENT } from '../helpers/silent-observer.ts';
import { DEVICES, type Device, ethernetFrom, ethernetTo, RoutingNetwork } from './network.ts';
import { macText } from './packet/bytes.ts';
import { build, checksumProblems, type Packet, parse } from './packet/packet.ts';
import { addressOf, CLUSTER_CIDRS, endText, FAMILIES, SERVICE_CIDRS } from './places.ts';

/** What scripts/build makes of bpf/tc.bpf.c. */
const TC_OBJECT = path.join(import.meta.dirname, '../../bpf/build/tc.o');

export const NODE_NAME = 'node';

/** One port makes it known which a masqueraded flow has. */
const ONE_PORT: PortRange = { first: 61_000, count: 1 };

/** TC_ACT_* (linux/pkt_cls.h) */
const VERDICTS = new Map([
  [-1, 'pass'],
  [2, 'drop'],
  [7, 'redirect'],
]);

/** What becomes of a packet: each has one of them, whatever else is counted. */
const FATES: ReadonlySet<string> = new Set(OUTCOMES.slice(0, PacketOutcome.FLOW_CREATED));

const NS_PER_SECOND = 1_000_000_000n;

export type Hook = 'ingress' | 'egress';

export interface Outcome {
  /** `pass`: on to the stack, or out. */
  readonly verdict: string;
  /** As the program left it; without the Ethernet header where that is as before. */
  readonly packet: Packet;
  /** What was counted, by name and in the order of the alphabet. */
  readonly counts: readonly string[];
  readonly bytes: Buffer;
}

/** What a row expects; what it does not say is not looked at. */
export interface Expected {
  readonly verdict: 'pass' | 'drop' | 'redirect';
  /** Of a packet that is not dropped. `same`: byte for byte as it came. */
  readonly packet?: Packet | 'same';
  readonly counts: readonly string[];
}

type Served = ServiceSpec | EndpointSliceSpec;

interface NodeOptions {
  /** With other programs of the same names and tables. */
  readonly object?: string;
  /** See {@link RoutingNetwork.create}. */
  readonly isAddressed?: boolean;
}

export class PacketNode {
  readonly network: RoutingNetwork;
  readonly tables: RealTables;
  readonly #programs: LoadedObject;
  readonly #packetTables: PacketTables;
  readonly #fragments: KernelMap<FragmentKey, FragmentPorts>;
  readonly #budgets: KernelMap<number, readonly RefusalBudget[]>;
  readonly #queueEnds: KernelMap<number, FlowQueueEnd>;
  readonly #cluster = new ClusterState();
  readonly #reconciler: Reconciler;
  readonly #viewOf: (ports: PortRange) => NodeView;
  #view: NodeView;
  #served: readonly Served[] = [];

  private constructor(
    network: RoutingNetwork,
    tables: RealTables,
    { object, isAddressed }: Required<NodeOptions>,
  ) {
    this.network = network;
    this.#viewOf = (ports) => viewOf(ports, isAddressed);
    this.#view = this.#viewOf(ONE_PORT);
    this.tables = tables;
    this.#programs = LoadedObject.load(object, tableSetup(tables.pins));
    this.#packetTables = openPacketTables(tables.pins);
    const fragments = RawMap.openPin(tables.pins.map(MAPS.fragments));
    this.#fragments = new KernelMap(fragments, MAPS.fragments);
    const { key, value } = MAPS.refusalBudgets;
    const budgets = RawMap.openPin(tables.pins.map(MAPS.refusalBudgets));
    this.#budgets = new KernelMap(budgets, { key, value: perCpu(value, possibleCpus()) });
    const queueEnds = RawMap.openPin(tables.pins.map(MAPS.flowQueueEnds));
    this.#queueEnds = new KernelMap(queueEnds, MAPS.flowQueueEnds);
    this.#reconciler = new Reconciler(this.#cluster, tables, SILENT, () => this.#view);
  }

  /** Takes a quarter of a second: for all tests of a file. Ends with `t`. */
  static async create(
    t: Pick<ExecutionContext, 'teardown'>,
    { object = TC_OBJECT, isAddressed = true }: NodeOptions = {},
  ): Promise<PacketNode> {
    const network = await RoutingNetwork.create({ isAddressed });
    t.teardown(() => network.close());
    const node = new PacketNode(network, openRealTables(t), { object, isAddressed });
    t.teardown(() => {
      node.#programs.close();
      node.#packetTables.close();
      node.#fragments.close();
      node.#budgets.close();
      node.#queueEnds.close();
    });
    for (const device of DEVICES) node.describe(device, { isAddressed });
    await node.reset();
    return node;
  }

  /** As at first: no Services, flows, fragments or affinities, one masquerade port, nothing refused yet. */
  async reset(): Promise<void> {
    const { flows, affinities } = this.#packetTables;
    flows.delete(flows.entries().map(([key]) => key));
    affinities.delete(affinities.entries().map(([key]) => key));
    this.#fragments.delete(this.#fragments.entries().map(([key]) => key));
    const untouched = { filledNs: 0n, left: 0 };
    this.#budgets.put([[0, Array.from({ length: possibleCpus() }, () => untouched)]]);
    this.letQueueComeRound();
    this.#view = this.#viewOf(ONE_PORT);
    await this.serve();
  }

  /** What the cluster has from now on, in place of what it had. */
  async serve(...objects: readonly Served[]): Promise<void> {
    const kept = new Set(objects.map(idOf));
    for (const object of this.#served) {
      if (!kept.has(idOf(object))) this.#cluster.remove(kindOf(object), objectKey(object));
    }
    for (const object of objects) {
      if ('clusterIPs' in object) {
        this.#cluster.upsertService(objectKey(object), { spec: object });
      } else {
        this.#cluster.upsertEndpointSlice(objectKey(object), { spec: object });
      }
    }
    this.#served = objects;
    const { failures } = await this.#reconciler.reconcileChanges();
    if (failures[0]) throw new Error(failures[0].message);
  }

  /** Source ports of masqueraded flows from now on. */
  async usePorts(range: PortRange): Promise<void> {
    this.#view = this.#viewOf(range);
    await this.serve(...this.#served);
  }

  /** What the node's entry has for flags from now on. */
  setNodeFlags(flags: NodeFlags): void {
    const [[, node] = []] = this.tables.nodes.entries();
    if (!node) throw new Error('there is no node yet');
    const [refused] = this.tables.nodes.put([[0, { ...node, flags }]]);
    if (refused) throw refused.error;
  }

  ingress(packet: Packet | Buffer, device: Device = 'uplink', context: TestContext = {}): Outcome {
    return this.run('ingress', packet, device, context);
  }

  egress(packet: Packet | Buffer, device: Device = 'uplink', context: TestContext = {}): Outcome {
    return this.run('egress', packet, device, context);
  }

  /** Shows a packet to a program. Bytes are taken as they are; a description gets the device's Ethernet header. */
  run(hook: Hook, given: Packet | Buffer, device: Device, context: TestContext = {}): Outcome {
    const bytes = Buffer.isBuffer(given) ? given : build(framed(hook, given, device));
    const program = this.#programs.programFd(`${hook}_ethernet`);
    return this.#run(program, bytes, 'ethernet', device, context);
  }

  /**
   * The same for the programs of devices whose packets begin with the IP header. The device gets the address
   * that a test run takes the first bytes for, or the packet would be one for another host.
   */
  async runIp(hook: Hook, packet: Packet): Promise<Outcome> {
    const bytes = build(packet);
    if (hook === 'ingress') {
      const address = macText(bytes.subarray(0, 6));
      await this.network.configure(`link set tunnel address ${address}`);
    }
    return this.#run(this.#programs.programFd(`${hook}_ip`), bytes, 'ip', 'tunnel', {});
  }

  #run(
    program: number,
    bytes: Buffer,
    start: 'ethernet' | 'ip',
    device: Device,
    context: TestContext,
  ): Outcome {
    const ifindex = this.network.ifindex(device);
    const before = this.#packetTables.readCounts();
    const result = this.network.inside(() =>
      testRun(program, bytes, { ifindex, ingressIfindex: ifindex, ...context }),
    );
    const after = this.#packetTables.readCounts();
    const counts = [...after].flatMap(([name, count]) =>
      Array<string>(count - (before.get(name) ?? 0)).fill(name),
    );
    const fates = counts.filter((name) => FATES.has(name));
    if (fates.length !== 1) throw new Error(`one fate for each packet; counted: ${counts}`);
    const { ethernet, ...packet } = parse(result.packet, start);
    const isSame = result.packet.subarray(0, 12).equals(bytes.subarray(0, 12));
    return {
      verdict: VERDICTS.get(result.verdict) ?? `${result.verdict}`,
      packet: ethernet && !isSame ? { ethernet, ...packet } : packet,
      counts: counts.sort(),
      bytes: result.packet,
    };
  }

  /**
   * Shows a packet to the program twice on one hook, as where a link of TCX and a filter of clsact have it both.
   *
   * @returns what the second time did: what it returned, whether it changed the packet, what it counted.
   */
  twice(hook: Hook, packet: Packet, device: Device = 'uplink') {
    const program = this.#programs.programFd(`${hook}_ethernet`);
    const ifindex = this.network.ifindex(device);
    const show = (bytes: Uint8Array, context: TestContext = {}) =>
      this.network.inside(() =>
        testRun(program, bytes, { ifindex, ingressIfindex: ifindex, ...context }),
      );
    const { packet: bytes, control } = show(build(framed(hook, packet, device)));
    const before = this.#packetTables.readCounts();
    const second = show(bytes, { control });
    const after = this.#packetTables.readCounts();
    return {
      verdict: VERDICTS.get(second.verdict),
      isChanged: !second.packet.equals(bytes),
      counts: [...after].flatMap(([name, count]) => (count === before.get(name) ? [] : name)),
    };
  }

  /** Shows the same packet so often. @returns what was counted. */
  manyTimes(
    hook: Hook,
    packet: Packet,
    times: number,
    device: Device = 'uplink',
  ): Map<string, number> {
    const bytes = build(framed(hook, packet, device));
    const program = this.#programs.programFd(`${hook}_ethernet`);
    const ifindex = this.network.ifindex(device);
    const before = this.#packetTables.readCounts();
    this.network.inside(() => {
      for (let i = 0; i < times; i++) testRun(program, bytes, { ifindex, ingressIfindex: ifindex });
    });
    const after = this.#packetTables.readCounts();
    return new Map([...after].map(([name, count]) => [name, count - (before.get(name) ?? 0)]));
  }

  /** Shows a packet, which must be treated as expected, with every checksum right. @returns what came out. */
  meets(
    t: ExecutionContext,
    hook: Hook,
    given: Packet | Buffer,
    { verdict, packet, counts }: Expected,
    device: Device = 'uplink',
    context: TestContext = {},
  ): Packet {
    const bytes = Buffer.isBuffer(given) ? given : build(framed(hook, given, device));
    const outcome = this.run(hook, bytes, device, context);
    const isLooked = packet !== undefined && packet !== 'same';
    const expected = isLooked
      ? { packet: normal(hook, packet, device), problems: checksumProblems(bytes) }
      : {};
    const found = isLooked
      ? { packet: outcome.packet, problems: checksumProblems(outcome.bytes) }
      : {};
    t.deepEqual(
      { verdict: outcome.verdict, counts: outcome.counts, ...found },
      { verdict, counts: [...counts].sort(), ...expected },
    );
    if (packet === 'same') t.is(outcome.bytes.toString('hex'), bytes.toString('hex'));
    return outcome.packet;
  }

  /**
   * Every entry of the flow table, as `TCP client:40000 > node:30080 = client:40000 > localPod:8080 request`:
   * what its packets are, what they become, and flags.
   */
  flows(): string[] {
    return this.#packetTables.flows.entries().map(flowText).sort();
  }

  /** Changes every entry that `isMeant`; each is given as {@link flows} shows it. */
  changeFlows(
    change: (value: FlowValue) => Partial<FlowValue>,
    isMeant: (text: string) => boolean = () => true,
  ): void {
    const { flows } = this.#packetTables;
    const changed = flows.entries().filter((entry) => isMeant(flowText(entry)));
    if (changed.length === 0) throw new Error('there is no such flow');
    flows.put(changed.map(([key, value]) => [key, { ...value, ...change(value) }]));
  }

  /** As if entries had not been used for so long. */
  ageFlows(seconds: number): void {
    const ns = BigInt(seconds) * NS_PER_SECOND;
    this.changeFlows(({ lastUsedNs, checkedNs }) => ({
      lastUsedNs: lastUsedNs - ns,
      checkedNs: checkedNs - ns,
    }));
  }

  /**
   * As if so many flows had come that the next one gets the place of the first.
   *
   * @param isCrowded and hardly any of the others is free.
   */
  letQueueComeRound(isCrowded = false): void {
    this.#queueEnds.put([[0, { taken: 0n, crowd: isCrowded ? 2 : 0, nextClearing: 0 }]]);
  }

  get isQueueCrowded(): boolean {
    return this.#queueEnds.get(0)?.crowd !== 0;
  }

  /** As if it were time to look at the other halves again. */
  letFlowsCheck(): void {
    this.changeFlows(() => ({ checkedNs: 0n }));
  }

  /** Fills the flow table with somebody's, of which none makes room. */
  fillFlows(): void {
    const { flows } = this.#packetTables;
    const left = flows.raw.maxEntries - flows.entries().length;
    const address = addressOf('stranger', 'IPv4');
    const values = Array.from({ length: left }, (_, i) => {
      const end = { address, port: i & 0xffff };
      const key = { source: end, destination: end, protocol: 200 + (i >> 16) };
      const times = { lastUsedNs: 0n, checkedNs: 0n };
      return [
        key,
        { ...times, source: end, destination: end, servicePortId: 0, flags: 0 },
      ] as const;
    });
    const [refused] = flows.put(values);
    if (refused) throw refused.error;
  }

  forgetFlows(isMeant: (text: string) => boolean): void {
    const { flows } = this.#packetTables;
    const keys = flows.entries().filter((entry) => isMeant(flowText(entry)));
    if (keys.length === 0) throw new Error('there is no such flow');
    flows.delete(keys.map(([key]) => key));
  }

  /** As at the end of a draining. */
  handOver(): void {
    for (const _ of handOver(this.#packetTables));
  }

  /** How many fragmented packets are remembered. */
  get fragmentsKnown(): number {
    return this.#fragments.entries().length;
  }

  /** As if clients had not connected for so long. */
  ageAffinities(seconds: number): void {
    const { affinities } = this.#packetTables;
    const ns = BigInt(seconds) * NS_PER_SECOND;
    const aged = affinities
      .entries()
      .map(([key, value]) => [key, { ...value, lastUsedNs: value.lastUsedNs - ns }] as const);
    affinities.put(aged);
  }

  /** What the programs know of the device: all of it by default, and that they are there. */
  describe(device: Device, { isAddressed = true, isServed = true } = {}): void {
    const isOfNode = isAddressed && (device === 'uplink' || device === 'narrow');
    const place = device === 'uplink' ? 'node' : 'narrowNode';
    const [ipv4, ipv6] = FAMILIES.map((family) => addressOf(place, family));
    this.tables.devices.put([
      [
        this.network.ifindex(device),
        {
          flags: (isServed ? DeviceFlags.SERVED : 0) | (device === 'pod' ? DeviceFlags.OF_POD : 0),
          ipv4: (isOfNode ? ipv4 : '0.0.0.0') as NonNullable<typeof ipv4>,
          ipv6: (isOfNode ? ipv6 : '::') as NonNullable<typeof ipv6>,
        },
      ],
    ]);
  }
}

/** As `parse` shows what is expected, in the place of the Ethernet header that it came with. */
function normal(hook: Hook, packet: Packet, device: Device): Packet {
  if (packet.ethernet) return parse(build(packet));
  const { ethernet: _, ...rest } = parse(build(framed(hook, packet, device)));
  return rest;
}

function framed(hook: Hook, packet: Packet, device: Device): Packet {
  const ethernet = hook === 'ingress' ? ethernetTo(device) : ethernetFrom(device);
  return { ethernet, ...packet };
}

function viewOf(masqueradePorts: PortRange, isAddressed: boolean): NodeView {
  const families = isAddressed ? FAMILIES : [];
  const own = families.map((family) => addressOf('node', family));
  const narrow = families.map((family) => addressOf('narrowNode', family));
  const facts = nodeFacts(
    {
      nodeName: NODE_NAME,
      nodeIPs: own,
      clusterCIDRs: prefixes(...CLUSTER_CIDRS) as IpPrefix[],
      serviceCIDRs: prefixes(...SERVICE_CIDRS),
      nodePortAddresses: [],
      masqueradeAll: false,
      masqueradePorts,
    },
    undefined,
    [],
    [...own, ...narrow],
  );
  const { name, zone, nodeIPs } = facts;
  return {
    traits: { name, zone, nodeIPs },
    state: nodeStateOf(facts, [], 1n),
  };
}

/** Names of the flags, in the order of their bits. */
const FLAG_NAMES = Object.entries(FlowFlags)
  .sort(([, a], [, b]) => a - b)
  .map(([name, bit]) => [name.toLowerCase(), bit] as const);

function flowText([key, value]: [FlowKey, FlowValue]): string {
  const flags = FLAG_NAMES.filter(([, bit]) => value.flags & bit).map(([name]) => name);
  const meets = `${endText(key.source)} > ${endText(key.destination)}`;
  const becomes = `${endText(value.source)} > ${endText(value.destination)}`;
  const protocol = protocolName(key.protocol) ?? key.protocol;
  return [`${protocol} ${meets} = ${becomes}`, ...flags].join(' ');
}

function kindOf(object: Served): 'Service' | 'EndpointSlice' {
  return 'clusterIPs' in object ? 'Service' : 'EndpointSlice';
}

function idOf(object: Served): string {
  return `${kindOf(object)} ${objectKey(object)}`;
}
