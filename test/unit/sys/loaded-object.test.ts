// SPDX-License-Identifier: Apache-2.0
// Objects on their way into the kernel: in the background as well, and not all of their programs.

import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { tableSetup } from '../../../agent/sys/datapath.ts';
import { MAPS } from '../../../agent/sys/layout.gen.ts';
import { LoadedObject } from '../../../agent/sys/libbpf/object.ts';
import { openRealTables } from '../../helpers/real-tables.ts';
import { requireRoot } from '../../helpers/requirements.ts';

const BUILD = path.join(import.meta.dirname, '../../../bpf/build');
const SOCK = path.join(BUILD, 'sock.o');

const ways = test.macro({
  async exec(
    t: ExecutionContext,
    load: (...args: Parameters<typeof LoadedObject.load>) => Promise<LoadedObject>,
  ) {
    if (!requireRoot(t)) return;
    const setup = tableSetup(openRealTables(t).pins);
    const object = await load(SOCK, setup, ['getpeername4']);
    t.teardown(() => object.close());
    t.true(object.programId('getpeername4') > 0);
    t.throws(() => object.programId('connect4'), undefined, 'it was not asked for');

    const other = new Map(
      [...setup].map(([name, table]) => [
        name,
        name === MAPS.frontends.name ? { ...table, maxEntries: 7 } : table,
      ]),
    );
    const error = await t.throwsAsync(load(SOCK, other, ['getpeername4']));
    t.regex(error.message, / parameter mismatch /, 'in the words of libbpf');
    await t.throwsAsync(load('/nowhere.o', setup), { message: /^cannot open BPF object/ });
  },
  title: (how = '') => `an object is loaded ${how}`,
});
test.serial('at once', ways, async (...args) => LoadedObject.load(...args));
test.serial('in the background', ways, (...args) => LoadedObject.loadInBackground(...args));
