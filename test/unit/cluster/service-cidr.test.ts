// SPDX-License-Identifier: Apache-2.0
// What is read of a ServiceCIDR, and what costs only itself.

import test from 'ava';
import fc from 'fast-check';
import { parseServiceCidr } from '../../../agent/cluster/service-cidr.ts';
import { parsePrefix } from '../../../agent/model/address.ts';
import { hostileJson } from './hostile-json.ts';

const serviceCidr = (cidrs: unknown) => ({ metadata: { name: 'kubernetes' }, spec: { cidrs } });
const GOOD = serviceCidr(['10.96.0.0/12', 'fd00:96::/108']);

test('the prefixes of both families', (t) => {
  t.deepEqual(parseServiceCidr(GOOD), {
    spec: { name: 'kubernetes', cidrs: ['10.96.0.0/12', 'fd00:96::/108'] },
  } as never);
});

test('no prefixes', (t) => {
  for (const cidrs of [undefined, null, []]) {
    t.deepEqual(parseServiceCidr(serviceCidr(cidrs)), { spec: { name: 'kubernetes', cidrs: [] } });
  }
});

test('one prefix that is none costs only itself', (t) => {
  t.deepEqual(parseServiceCidr(serviceCidr(['10.96.0.0/40', 5, '10.97.0.1/16'])), {
    spec: { name: 'kubernetes', cidrs: ['10.97.0.0/16'] },
    leftOut:
      'spec.cidrs[0]: "10.96.0.0/40" is not a CIDR such as 10.0.0.0/8; spec.cidrs[1]: 5 is not a text',
  } as never);
});

const refuses = test.macro({
  exec(t, json: unknown, reason: string) {
    t.deepEqual(parseServiceCidr(json), { invalid: reason });
  },
  title: (what) => `a ServiceCIDR is invalid: ${what}`,
});
test('no name', refuses, { metadata: {} }, 'metadata.name: is missing, must be a text');
test('no spec', refuses, { metadata: { name: 'x' } }, 'spec: is missing, must be an object');
test('a text for the list', refuses, serviceCidr('x'), 'spec.cidrs: "x" is not a list');

test('any JSON gives a spec that is one or a reason to refuse; never an exception', (t) => {
  fc.assert(
    fc.property(hostileJson(GOOD), (json) => {
      const parsed = parseServiceCidr(json);
      if ('spec' in parsed) return parsed.spec.cidrs.every((cidr) => parsePrefix(cidr) === cidr);
      return 'invalid' in parsed && parsed.invalid !== '';
    }),
    { numRuns: 1000 },
  );
  t.pass();
});
