// SPDX-License-Identifier: Apache-2.0
// A series for each Service that fails, no more than there is room for, and none of what is well again.

import test from 'ava';
import type { ObjectKey } from '../../../agent/model/objects.ts';
import { registerFailedServices } from '../../../agent/telemetry/failed-services.ts';
import { Registry } from '../../../agent/telemetry/prom-client.ts';

function metric() {
  const registry = new Registry();
  const failed: ObjectKey[] = [];
  registerFailedServices(registry, () => failed);
  const lines = async () =>
    (await registry.metrics()).split('\n').filter((line) => /^s/.test(line));
  return { failed, lines };
}

test('as long as it fails', async (t) => {
  const { failed, lines } = metric();
  t.deepEqual(await lines(), []);
  failed.push('a/web', 'b/"quoted"');
  t.deepEqual(await lines(), [
    'signalbox_service_failed{namespace="a",service="web"} 1',
    'signalbox_service_failed{namespace="b",service="\\"quoted\\""} 1',
  ]);
  failed.shift();
  t.is((await lines()).length, 1);
  failed.shift();
  t.deepEqual(await lines(), []);
});

test('a hundred have a name, the others are counted', async (t) => {
  const { failed, lines } = metric();
  for (let n = 0; n < 5000; n++) failed.push(`a/s${n}`);
  const found = await lines();
  t.is(found.length, 101);
  t.is(found[0], 'signalbox_service_failed{namespace="a",service="s0"} 1');
  t.is(found[100], 'signalbox_service_failed{namespace="",service=""} 4900');
});
