// SPDX-License-Identifier: Apache-2.0
// BTF -> the TypeScript text of agent/sys/layout.gen.ts: an interface and a codec for each struct that a
// map uses or that is a record, constants for each enum, a specification for each map. Pure.

import { createHash } from 'node:crypto';
import type { Btf, BtfMember, BtfType } from './btf.ts';
import { type MapDefinition, mapDefinitions } from './maps.ts';

/** Members that are always zero; buffers start zeroed, so codecs leave them alone. */
const PADDING = 'pad';

/** The section whose variables are of types that user space reads, besides those in maps. */
const RECORDS = 'records';

interface Field {
  readonly type: string;
  readonly read: (at: string) => string;
  readonly write: (at: string, value: string) => string;
}

const HEADER = `// SPDX-License-Identifier: Apache-2.0
// GENERATED from the BTF of bpf/build by \`npm run generate\`. Do not edit: change bpf/abi.h or bpf/maps.bpf.h.

import { type IpAddress, readAddress, writeAddress } from '../model/address.ts';
import { type Codec, type MapSpec, readBytes, readName, u32, writeBytes, writeName } from './codec.ts';
`;

/**
 * The whole generated file, for all objects. Throws on a type that it does not know how to lay out, and
 * when two objects mean different things by one name.
 */
export function emitLayout(...objects: readonly Btf[]): string {
  const types = new Map<string, string>();
  const specs = new Map<string, string>();
  for (const btf of objects) {
    const maps = mapDefinitions(btf);
    merge(types, emitTypes(btf, maps));
    merge(specs, new Map(maps.map((map) => [camel(map.name), emitMap(btf, map, maps)])));
  }
  const lines = [...specs].map(([name, spec]) => `  ${name}: ${spec},`).join('\n');
  return `${[HEADER, ...types.values(), `export const MAPS = {\n${lines}\n} as const;`].join('\n')}\n`;
}

function merge(all: Map<string, string>, some: ReadonlyMap<string, string>): void {
  for (const [name, text] of some) {
    if (all.has(name) && all.get(name) !== text) throw new Error(`there are two kinds of ${name}`);
    all.set(name, text);
  }
}

function emitTypes(btf: Btf, maps: readonly MapDefinition[]): Map<string, string> {
  const emitted = new Map<string, string>();
  for (const map of maps.flatMap((m) => [m, ...(m.inner ? [m.inner] : [])])) {
    emitType(btf, map.keyType, emitted);
    if (map.valueType !== undefined) emitType(btf, map.valueType, emitted);
  }
  for (const record of btf.variables(RECORDS)) emitType(btf, btf.inner(record).id, emitted);
  return emitted;
}

function emitType(btf: Btf, id: number, emitted: Map<string, string>): void {
  const type = btf.resolve(id);
  if (emitted.has(type.name)) return;
  if (type.kind === 'ENUM') emitted.set(type.name, emitEnum(type));
  if (type.kind !== 'STRUCT' || type.name === 'ip_address') return;
  for (const member of type.members ?? []) emitType(btf, member.type_id, emitted);
  emitted.set(type.name, emitStruct(btf, type));
}

function emitEnum(type: BtfType): string {
  const prefix = new RegExp(`^${type.name.split('_')[0]}_`, 'i');
  const values = type.values?.map((v) => `  ${v.name.replace(prefix, '')}: ${v.val},`) ?? [];
  const name = pascal(type.name);
  // Flags come together: then a value is none of the constants.
  const union = type.name.endsWith('_flags') ? 'number' : `(typeof ${name})[keyof typeof ${name}]`;
  return `export const ${name} = {\n${values.join('\n')}\n} as const;\nexport type ${name} = ${union};\n`;
}

function emitStruct(btf: Btf, type: BtfType): string {
  const members = (type.members ?? []).filter((member) => member.name !== PADDING);
  const fields = members.map((member) => ({ member, field: fieldOf(btf, member) }));
  const at = (member: BtfMember) => (member.bits_offset ? `at + ${member.bits_offset / 8}` : 'at');
  const declared = fields.map(
    ({ member, field }) => `  readonly ${camel(member.name)}: ${field.type};`,
  );
  const written = fields.map(
    ({ member, field }) => `    ${field.write(at(member), `value.${camel(member.name)}`)};`,
  );
  const read = fields.map(
    ({ member, field }) => `    ${camel(member.name)}: ${field.read(at(member))},`,
  );
  return `export interface ${pascal(type.name)} {
${declared.join('\n')}
}

export const ${camel(type.name)}: Codec<${pascal(type.name)}> = {
  size: ${type.size},
  write(view, at, value) {
${written.join('\n')}
  },
  read: (view, at) => ({
${read.join('\n')}
  }),
};
`;
}

function fieldOf(btf: Btf, member: BtfMember): Field {
  const declared = btf.type(member.type_id);
  const type = btf.resolve(member.type_id);
  if (declared.name === '__be16') return accessor('number', 'Uint16', false);
  if (type.kind === 'STRUCT' && type.name === 'ip_address') return named('IpAddress', 'Address');
  if (type.kind === 'STRUCT') return nested(type);
  if (type.kind === 'ENUM') return accessor(pascal(type.name), 'Uint32', true, pascal(type.name));
  if (type.kind === 'ARRAY') {
    const element = btf.resolve(btf.inner(type).id).name;
    if (element === 'char') return sized('string', 'Name', type.nr_elems);
    if (element === 'unsigned char') return sized('Uint8Array', 'Bytes', type.nr_elems);
  }
  if (type.kind === 'INT' && !declared.name.startsWith('__be')) {
    const bits = (type.size ?? 0) * 8;
    return bits === 64
      ? accessor('bigint', 'BigUint64', true)
      : accessor('number', `Uint${bits}`, bits > 8);
  }
  throw new Error(`no codec for member ${member.name} of type ${declared.kind} ${declared.name}`);
}

function accessor(type: string, kind: string, littleEndian: boolean, cast?: string): Field {
  const order = littleEndian ? ', true' : '';
  return {
    type,
    read: (at) => `view.get${kind}(${at}${order})${cast ? ` as ${cast}` : ''}`,
    write: (at, value) => `view.set${kind}(${at}, ${value}${order})`,
  };
}

function named(type: string, suffix: string): Field {
  return {
    type,
    read: (at) => `read${suffix}(view, ${at})`,
    write: (at, value) => `write${suffix}(view, ${at}, ${value})`,
  };
}

function sized(type: string, suffix: string, size: number | undefined): Field {
  return {
    type,
    read: (at) => `read${suffix}(view, ${at}, ${size})`,
    write: (at, value) => `write${suffix}(view, ${at}, ${size}, ${value})`,
  };
}

function nested(type: BtfType): Field {
  return {
    type: pascal(type.name),
    read: (at) => `${camel(type.name)}.read(view, ${at})`,
    write: (at, value) => `${camel(type.name)}.write(view, ${at}, ${value})`,
  };
}

function emitMap(btf: Btf, map: MapDefinition, all: readonly MapDefinition[]): string {
  const codec = (id: number) =>
    btf.resolve(id).kind === 'STRUCT' ? camel(btf.resolve(id).name) : 'u32';
  const value = map.inner ? 'u32' : codec(map.valueType ?? map.keyType);
  const spec = [
    `name: '${map.name}'`,
    `type: ${map.type}`,
    `flags: ${map.flags}`,
    `maxEntries: ${map.maxEntries}`,
    `key: ${codec(map.keyType)}`,
    `value: ${value}`,
    `layoutHash: '${layoutHash(btf, map, all)}'`,
    ...(map.inner ? [`inner: ${emitMap(btf, map.inner, [])}`] : []),
  ];
  const types = [map.keyType, map.valueType].map((id) =>
    id !== undefined && btf.resolve(id).kind === 'STRUCT' ? pascal(btf.resolve(id).name) : 'number',
  );
  const inner = map.inner ? ' & { inner: unknown }' : '';
  return `{ ${spec.join(', ')} } satisfies MapSpec<${types.join(', ')}>${inner}`;
}

/**
 * Names the layout of a map, whatever its size: pins of another layout are never opened by mistake. A map that holds ids of
 * another's entries (`service_port_id` of `service_ports`) has its name changed with that one's: else it would
 * keep ids that are given out anew.
 */
function layoutHash(btf: Btf, map: MapDefinition, all: readonly MapDefinition[]): string {
  const own = layoutText(btf, map);
  const named = all.filter(({ name }) => own.includes(`${name.replace(/s$/, '')}_id@`));
  const text = [own, ...named.map((other) => layoutText(btf, other))];
  return createHash('sha256').update(text.join('\n')).digest('hex').slice(0, 8);
}

function layoutText(btf: Btf, map: MapDefinition): string {
  const text = [map.type, map.flags, describe(btf, map.keyType)];
  if (map.valueType !== undefined) text.push(describe(btf, map.valueType));
  if (map.inner) text.push(describe(btf, map.inner.keyType), layoutHash(btf, map.inner, []));
  return text.join('\n');
}

function describe(btf: Btf, id: number): string {
  const type = btf.resolve(id);
  if (type.kind === 'STRUCT') {
    const members = type.members?.map(
      (m) => `${m.name}@${m.bits_offset} ${describe(btf, m.type_id)}`,
    );
    return `${type.name}{${members?.join(',')}}${type.size}`;
  }
  if (type.kind === 'ARRAY') return `${describe(btf, btf.inner(type).id)}[${type.nr_elems}]`;
  const order = btf.type(id).name.startsWith('__be') ? 'be' : '';
  return `${type.kind}${btf.sizeOf(id)}${order}`;
}

function pascal(name: string): string {
  return name.replace(/(?:^|_)([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function camel(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
