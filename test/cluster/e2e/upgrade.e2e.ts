// SPDX-License-Identifier: Apache-2.0
// Another image is rolled out, and the one before again, while traffic runs: nothing fails.

import test from 'ava';
import { nameImage, rollOut, signalbox } from './agents.ts';
import { beginEverywhere } from './everywhere.ts';
import { stageFor } from './stage.ts';

const stage = stageFor(test, import.meta.filename);

test.serial('an upgrade and a roll-back under traffic', async (t) => {
  const { api, inventory, image } = stage();
  const next = `${image}-next`;
  for (const machine of inventory.machines) await nameImage(machine, image, next);
  t.teardown(() => rollOut(api, image));
  const service = await stage().service('upgraded', { type: 'NodePort' });
  const traffic = await beginEverywhere(stage(), service);
  for (const each of [next, image]) {
    await traffic.goesOn();
    await rollOut(api, each);
  }
  await traffic.goesOn();
  t.deepEqual(await traffic.end(), []);
  for (const { name } of inventory.machines) {
    const { code, stdout } = await signalbox(api, inventory, name, ['status']);
    t.is(code, 0, `${name}: ${stdout}`);
  }
});
