// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import { foreignPlaceProblems } from '../../../../scripts/checks/foreign-places.ts';

const isFound = (text: string) => foreignPlaceProblems([{ path: 'a.ts', text }]).length > 0;

// In pieces, so that the check of this file finds nothing.
for (const place of [
  ['https://regis', 'try.npm', 'js.org/ava'],
  ['npm', 'js.com'],
  ['FROM docker', '.io/library/debian'],
  ['image: ghcr', '.io/example/agent:1'],
  ['cd /ho', 'me/somebody/signalbox'],
  ['"/ro', 'ot/.kube/config"'],
]) {
  test(`${place.join('|')} is foreign`, (t) => t.true(isFound(place.join(''))));
}

for (const text of [
  'a registry of programs',
  '/sys/fs/cgroup/root',
  'apt-get install docker.io',
  'https://example.com/home/page',
  '/rootfs',
]) {
  test(`${text} is not`, (t) => t.false(isFound(text)));
}
