// SPDX-License-Identifier: Apache-2.0
// The network around the node: what the programs let through goes on to where it is sent, through the stack
// and other hooks where it would, and whoever gets it may answer.

import type { IpAddress } from '../../../agent/model/address.ts';
import { type Device, ethernetFrom, ethernetTo, NARROW_MTU } from '../../prog/network.ts';
import { build, fragmentsOf, type Packet, parse } from '../../prog/packet/packet.ts';
import type { Hook, PacketNode } from '../../prog/packet-node.ts';
import { addressOf, type Place } from '../../prog/places.ts';
import type { Exercise } from './checks.ts';
import type { FlowTable } from './flow-table.ts';
import { framesOf } from './forms.ts';
import { Judge, type Shown } from './judge.ts';
import { PORTS } from './knowledge.ts';
import { isOnNode, nodePortOf, objectsOf, type RandomCluster } from './random-services.ts';
import { CLIENTS, type Form, type History, type Step, type Target } from './steps.ts';
import {
  ETHERNET_SIZE,
  readFrame,
  reverse,
  SCTP,
  TCP,
  type Tuple,
  UDP,
  type Wire,
} from './wire.ts';

const MTU = 1500;
const ETHERNET_DEVICES = ['uplink', 'pod', 'narrow'] as const;
const NUMBERS = { TCP, UDP, SCTP } as const;

/** A packet that reached whom it was for. */
interface Arrival {
  readonly tuple: Tuple;
}

/** A client's packet, to be sent again with other flags. */
interface Sent {
  readonly packet: Packet;
  readonly device: Device;
}

/** A packet on the wire, and where an error about it would come from. */
interface Seen {
  readonly bytes: Buffer;
  readonly hook: Hook;
  readonly device: Device;
}

type Does<Word extends Step['do']> = Extract<Step, { readonly do: Word }>;

export class World {
  readonly #node: PacketNode;
  readonly #judge: Judge;
  readonly #arrived: Arrival[] = [];
  readonly #sent: Sent[] = [];
  readonly #seen: Seen[] = [];

  constructor(node: PacketNode, table: FlowTable, exercise: Exercise) {
    this.#node = node;
    this.#judge = new Judge(node, table, exercise);
  }

  get judge(): Judge {
    return this.#judge;
  }

  async live({ cluster, steps }: History): Promise<void> {
    await this.#node.usePorts(PORTS);
    await this.#serve(cluster);
    for (const step of steps) await this.#take(step);
  }

  async #serve(cluster: RandomCluster): Promise<void> {
    await this.#node.serve(...objectsOf(cluster));
    this.#judge.serve(cluster);
  }

  async #take(step: Step): Promise<void> {
    switch (step.do) {
      case 'request':
        return this.#request(step);
      case 'again':
        return this.#again(step);
      case 'reply':
        return this.#reply(step);
      case 'error':
        return this.#error(step);
      case 'echo':
        return this.#echo(step);
      case 'stray':
        return this.#stray(step);
      case 'replay':
        return this.#replay(step);
      case 'mapped':
        return this.#mapped(step);
      case 'bytes':
        return this.#bytes(step);
      case 'age':
        return this.#judge.age(step.seconds);
      case 'lose':
        return this.#judge.loseHalf(step.nth);
      case 'serve':
        return await this.#serve(step.cluster);
    }
  }

  #request({ client, port, dialled, protocol, flags, isIpv6, form }: Does<'request'>): void {
    const family = isIpv6 ? 'IPv6' : 'IPv4';
    const { place, device } = CLIENTS[client] as (typeof CLIENTS)[number];
    const number = NUMBERS[protocol];
    const isNodePort = dialled === 'node' || dialled === 'narrowNode';
    const served = protocol === 'SCTP' ? 9000 : 80;
    const tuple: Tuple = {
      protocol: number,
      source: {
        address: addressOf(place, family),
        port: (protocol === 'SCTP' ? 9000 : 40_000) + port,
      },
      destination: {
        address: addressOf(dialled, family),
        port: isNodePort ? nodePortOf(family, number) : served,
      },
    };
    const packet = packetOf(tuple, flags);
    this.#sent.push({ packet, device });
    this.#comeIn(device, packet, form);
  }

  #again({ nth, flags, form }: Does<'again'>): void {
    const sent = latest(this.#sent, nth);
    if (!sent) return;
    const { ip, body } = sent.packet;
    const packet =
      body.protocol === 'TCP' ? { ...sent.packet, body: { ...body, flags } } : { ip, body };
    this.#comeIn(sent.device, packet as Packet, form);
  }

  /** Whoever got a packet answers it. */
  #reply({ nth, flags, form }: Does<'reply'>): void {
    const arrival = latest(this.#arrived, nth);
    if (!arrival) return;
    const tuple = reverse(arrival.tuple);
    this.#comeIn(deviceTowards(tuple.source.address), packetOf(tuple, flags), form);
  }

  #comeIn(device: Device, packet: Packet, form: Form): void {
    for (const frame of framesOf('ingress', device, packet, form)) {
      this.#followIngress(device, frame);
    }
  }

  /** Shows a frame that comes in, and goes on with what becomes of it. */
  #followIngress(device: Device, frame: Buffer): void {
    this.#note({ bytes: frame, hook: 'ingress', device });
    const shown = this.#judge.show('ingress', device, frame);
    const { wire, verdict, outcome, bytes } = shown;
    if (!wire || verdict === 'drop') return;
    const towards = deviceTowards(wire.tuple.destination.address);
    if (verdict === 'redirect') {
      this.#leave(/^(refused|echo)/.test(outcome) ? device : towards, shown);
      return;
    }
    if (outcome === 'passed' && isOfNode(wire)) return;
    this.#throughStack(device, towards, bytes);
  }

  /** What was redirected meets the program on the way out. */
  #leave(device: Device, { bytes, outcome }: Shown): void {
    const frame = reframed(bytes, 'egress', device);
    this.#note({ bytes: frame, hook: 'egress', device });
    const out = this.#judge.show('egress', device, frame);
    this.#arrive(out, outcome);
  }

  #arrive({ wire, verdict }: Shown, outcome: string): void {
    if (wire && verdict !== 'drop' && wire.place !== 'later' && outcome.startsWith('request_')) {
      this.#arrived.push({ tuple: wire.tuple });
    }
  }

  /** As the kernel forwards: one hop less, in fragments or not at all when it is too long. */
  #throughStack(from: Device, to: Device, bytes: Buffer): void {
    const wire = readFrame(bytes);
    if (!wire || wire.isMapped) return;
    const packet = parse(bytes);
    const { ip } = packet;
    if (!ip || packet.size !== undefined || packet.trailer !== undefined) return;
    if (ip.length !== undefined || ip.checksum !== undefined) return;
    if (wire.ttl <= 1) {
      this.#errorOfNode(from, 'time exceeded', bytes, wire);
      return;
    }
    const mtu = to === 'narrow' ? NARROW_MTU : MTU;
    const { ethernet: _, ...rest } = packet;
    const forwarded: Packet = { ...rest, ip: { ...ip, ttl: wire.ttl - 1 } };
    const isTooBig = bytes.length - ETHERNET_SIZE > mtu;
    if (isTooBig && (wire.family === 'IPv6' || ip.dontFragment)) {
      this.#errorOfNode(from, 'too big', bytes, wire);
      return;
    }
    if (isTooBig && ip.fragment) return;
    const packets = isTooBig
      ? fragmentsOf({ ...forwarded, ip: { ...forwarded.ip, id: 77 } as typeof ip }, 800)
      : [forwarded];
    for (const each of packets) {
      const frame = build({ ...each, ethernet: ethernetFrom(to) });
      this.#note({ bytes: frame, hook: 'egress', device: to });
      const out = this.#judge.show('egress', to, frame);
      this.#arrive(out, isOnNodeOrForwarded(out) ? 'request_' : '');
    }
  }

  /** The node tells the sender that it cannot forward. */
  #errorOfNode(device: Device, kind: 'time exceeded' | 'too big', bytes: Buffer, wire: Wire): void {
    const { source } = wire.tuple;
    const quoted = parse(bytes.subarray(ETHERNET_SIZE, ETHERNET_SIZE + 500), 'ip');
    if (!quoted.ip) return;
    const ip = { source: addressOf('node', wire.family), destination: source.address };
    const packet: Packet = { ip, body: { protocol: 'ICMP', kind, value: NARROW_MTU, quoted } };
    const frame = build({ ...packet, ethernet: ethernetFrom(device) });
    this.#judge.show('egress', device, frame);
  }

  /** Somebody on the way, or at its end, cannot go on with a packet that was seen. */
  #error({ nth, kind, quoted: size, isFromFar, form }: Does<'error'>): void {
    const seen = latest(this.#seen, nth);
    const wire = seen && readFrame(seen.bytes);
    if (!seen || !wire) return;
    const { source, destination } = wire.tuple;
    const headers = wire.transport - wire.network;
    const end = size === undefined ? seen.bytes.length : wire.network + headers + size;
    const quoted = parse(seen.bytes.subarray(ETHERNET_SIZE, Math.min(end, 600)), 'ip');
    if (!quoted.ip) return;
    const from = isFromFar ? destination.address : addressOf('router', wire.family);
    const ip = { source: from, destination: source.address };
    const packet: Packet = { ip, body: { protocol: 'ICMP', kind, value: 1280, quoted } };
    // It comes from where the packet went, which may be a pod of this node.
    const device = deviceTowards(destination.address);
    if (seen.hook === 'egress' || isOnNode(destination.address)) {
      for (const frame of framesOf('ingress', device, packet, form)) {
        this.#followIngress(device, frame);
      }
    } else {
      const back = deviceTowards(source.address);
      for (const frame of framesOf('egress', back, packet, form)) {
        this.#judge.show('egress', back, frame);
      }
    }
  }

  #echo({ to, isIpv6, form }: Does<'echo'>): void {
    const family = isIpv6 ? 'IPv6' : 'IPv4';
    const ip = { source: addressOf('client', family), destination: addressOf(to, family) };
    const body = { protocol: 'ICMP', kind: 'echo request', id: 1, sequence: 2 } as const;
    this.#comeIn('uplink', { ip, body: { ...body, payload: 'ping' } }, form);
  }

  #stray(step: Does<'stray'>): void {
    const family = step.isIpv6 ? 'IPv6' : 'IPv4';
    const at = (place: Target) => addressOf(place, family);
    const tuple: Tuple = {
      protocol: NUMBERS[step.protocol],
      source: { address: at(step.from), port: step.ports[0] },
      destination: { address: at(step.to), port: step.ports[1] },
    };
    const hook = step.isEgress ? 'egress' : 'ingress';
    for (const frame of framesOf(hook, 'uplink', packetOf(tuple, step.flags), step.form)) {
      this.#note({ bytes: frame, hook, device: 'uplink' });
      this.#judge.show(hook, 'uplink', frame);
    }
  }

  #replay({ nth, isEgress, device, changed }: Does<'replay'>): void {
    const seen = latest(this.#seen, nth);
    if (!seen) return;
    const bytes = Buffer.from(seen.bytes);
    for (const [at, value] of changed) bytes[at % bytes.length] = value;
    const where = ETHERNET_DEVICES[device] as Device;
    const hook = isEgress ? 'egress' : 'ingress';
    const isFramed = changed.every(([at]) => at % bytes.length >= 12);
    this.#judge.show(hook, where, isFramed ? reframed(bytes, hook, where) : bytes);
  }

  /** RFC 4291 2.5.5.2: such addresses are not for the wire. */
  #mapped({ nth, isEgress }: Does<'mapped'>): void {
    const seen = latest(this.#seen, nth);
    const wire = seen && readFrame(seen.bytes);
    if (!seen || wire?.family !== 'IPv4') return;
    const { network, transport, tuple, ttl } = wire;
    const payload = seen.bytes.subarray(transport);
    const header = Buffer.alloc(40);
    header[0] = 0x60;
    header.writeUInt16BE(payload.length, 4);
    header[6] = tuple.protocol;
    header[7] = ttl;
    for (const [from, to] of [
      [network + 12, 8],
      [network + 16, 24],
    ] as const) {
      header.fill(0xff, to + 10, to + 12);
      seen.bytes.copy(header, to + 12, from, from + 4);
    }
    const frame = Buffer.concat([
      seen.bytes.subarray(0, 12),
      Buffer.from('86dd', 'hex'),
      header,
      payload,
    ]);
    this.#judge.show(isEgress ? 'egress' : seen.hook, seen.device, frame);
  }

  #bytes({ data, type, isEgress }: Does<'bytes'>): void {
    const head = build({ ethernet: ethernetTo('uplink'), body: { protocol: type, data: '' } });
    const hook = isEgress ? 'egress' : 'ingress';
    this.#judge.show(hook, 'uplink', Buffer.concat([head, data]));
  }

  #note(seen: Seen): void {
    this.#seen.push(seen);
  }
}

function isOnNodeOrForwarded({ wire, outcome }: Shown): boolean {
  return outcome === 'forwarded_out' || (!!wire && isOnNode(wire.tuple.destination.address));
}

function isOfNode({ family, tuple }: Wire): boolean {
  return (['node', 'narrowNode'] as const).some(
    (place: Place) => addressOf(place, family) === tuple.destination.address,
  );
}

function deviceTowards(address: IpAddress): Device {
  if (isOnNode(address)) return 'pod';
  const isNarrow = (['IPv4', 'IPv6'] as const).some(
    (family) => addressOf('narrowPod', family) === address,
  );
  return isNarrow ? 'narrow' : 'uplink';
}

/** The nth from the end, or what there is. */
function latest<T>(all: readonly T[], nth: number): T | undefined {
  return all[Math.max(0, all.length - 1 - nth)];
}

function packetOf({ protocol, source, destination }: Tuple, flags: string): Packet {
  const ip = { source: source.address, destination: destination.address };
  const ports = { source: source.port, destination: destination.port };
  if (protocol === TCP) return { ip, body: { protocol: 'TCP', ...ports, flags, seq: 1, ack: 2 } };
  if (protocol === UDP) return { ip, body: { protocol: 'UDP', ...ports, payload: 'a datagram' } };
  return { ip, body: { protocol: 'SCTP', ...ports, chunks: 'chunks' } };
}

/** With the Ethernet header that frames have there. */
function reframed(bytes: Buffer, hook: Hook, device: Device): Buffer {
  const ethernet = hook === 'ingress' ? ethernetTo(device) : ethernetFrom(device);
  const head = build({ ethernet, body: { protocol: 0, data: '' } });
  return Buffer.concat([head.subarray(0, 12), bytes.subarray(12)]);
}
