// SPDX-License-Identifier: Apache-2.0
// All that the tables hold for each Service, whatever ids and slots it has there: to tell of which something is missing
// or left over. Used by the simulation.

import { servicePortOf } from '../../agent/reconcile/entries.ts';
import type { SlotRun } from '../../agent/sys/layout.gen.ts';
import type { View } from '../helpers/table-view.ts';

const NOBODY = '?';

/** By Service, as sorted lines. */
export function contentsOf(view: View): Map<string, string> {
  const lines = new Map<string, string[]>();
  const names = new Map(
    view.servicePorts.entries().map(([id, name]) => {
      const { service = NOBODY, portName = '', protocol = '' } = servicePortOf(name) ?? {};
      return [id, { service, port: `${portName}/${protocol}` }];
    }),
  );
  const slots = view.slots.read();
  const note = (id: number, ...words: readonly unknown[]) => {
    const { service, port } = names.get(id) ?? { service: NOBODY, port: id };
    const of = lines.get(service) ?? [];
    lines.set(service, of);
    of.push([port, ...words].join(' '));
  };
  const run = ({ first, count }: SlotRun) =>
    slots
      .slice(first, first + count)
      .map(({ address, port }) => `${address}:${port}`)
      .join();
  for (const id of names.keys()) note(id, 'name');
  for (const [key, { inside, outside, ...value }] of view.frontends.entries()) {
    const { servicePortId, ...settings } = value;
    note(servicePortId, JSON.stringify(key), JSON.stringify(settings), run(inside), run(outside));
  }
  for (const [{ servicePortId, backend }, { flags }] of view.members.entries()) {
    note(servicePortId, 'member', backend.address, backend.port, flags);
  }
  for (const [{ servicePortId, bits, address }] of view.sourceRanges.entries()) {
    note(servicePortId, 'range', address, bits);
  }
  return new Map([...lines].map(([service, of]) => [service, of.sort().join('\n')]));
}

/** Services of which the two say something different. */
export function differing(
  one: ReadonlyMap<string, string>,
  other: ReadonlyMap<string, string>,
): Set<string> {
  const all = [...one.keys(), ...other.keys()];
  return new Set(all.filter((service) => one.get(service) !== other.get(service)));
}
