// SPDX-License-Identifier: Apache-2.0
// A packet in a special form: as frames, in the order in which they come. Pure.

import { familyOf } from '../../../agent/model/address.ts';
import { type Device, ethernetFrom, ethernetTo } from '../../prog/network.ts';
import { build, fragmentsOf, type Packet } from '../../prog/packet/packet.ts';
import type { Hook } from '../../prog/packet-node.ts';
import { Packets } from '../../prog/places.ts';
import type { Form } from './steps.ts';

/** As long as no device sends it in one; and as only a narrow one does not. */
const BIG = [1250, 1350, 1480, 1700] as const;

const TTLS = [0, 1, 2, 3, 255] as const;

export function framesOf(hook: Hook, device: Device, packet: Packet, form: Form): Buffer[] {
  const ethernet = hook === 'ingress' ? ethernetTo(device) : ethernetFrom(device);
  const { number } = form;
  const { ip, body } = packet;
  if (!ip) return [build({ ethernet, ...packet })];
  const one = (changed: Partial<Packet>) => [build({ ethernet, ...packet, ...changed })];
  switch (form.kind) {
    case 'wrong checksum':
      return 'protocol' in body && typeof body.protocol === 'string'
        ? one({ body: { ...body, checksum: number || 1 } })
        : one({});
    case 'no checksum':
      return one(body.protocol === 'UDP' ? { body: { ...body, checksum: 0 } } : {});
    case 'zero sum':
      return one(withPayload(packet, wordThat(number)));
    case 'long header':
      return one({ ip: { ...ip, ...longHeaderOf(packet) } });
    case 'big':
      return one({
        ...withPayload(packet, 'x'.repeat(BIG[number % BIG.length] as number)),
        ip: { ...ip, ...(number % 3 ? { dontFragment: true } : {}) },
      });
    case 'fragments':
    case 'fragments, last first': {
      const whole = { ethernet, ip: { ...ip, id: number & 7 }, ...withPayload(packet, FILLING) };
      const frames = fragmentsOf(whole, 24, 16).map(build);
      return form.kind === 'fragments' ? frames : frames.reverse();
    }
    case 'ttl':
      return one({ ip: { ...ip, ttl: TTLS[number % TTLS.length] as number } });
    case 'trailer':
      return one({ trailer: '\x05'.repeat(1 + (number % 18)) });
    case 'cut':
      return one({ size: 20 + (number % 64) });
    case 'other host':
      return one({ ethernet: { ...ethernet, destination: OTHER_HOSTS[number % 3] as string } });
    case 'tagged':
      return one({ ethernet: { ...ethernet, tags: [number & 0xfff] } });
    default:
      return one(number % 2 ? {} : withPayload(packet, FILLING.slice(0, number % 40)));
  }
}

const OTHER_HOSTS = ['02:00:00:00:0f:0f', 'ff:ff:ff:ff:ff:ff', '33:33:00:00:00:01'];

const FILLING = 'what a packet carries, in more than one fragment: 0123456789';

/** One word of payload, by which sums come out as anything. */
function wordThat(number: number): string {
  return String.fromCharCode(number >> 8, number & 0xff);
}

function withPayload({ body }: Packet, payload: string): { body: Packet['body'] } {
  if (body.protocol === 'TCP' || body.protocol === 'UDP') return { body: { ...body, payload } };
  if (body.protocol === 'SCTP') return { body: { ...body, chunks: payload } };
  return { body };
}

function longHeaderOf({ ip }: Packet) {
  return ip ? new Packets(familyOf(ip.source)).longHeader : {};
}
