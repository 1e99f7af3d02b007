// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import {
  exactDepends,
  findSource,
  imageOf,
  KERNELS,
  mirrorsOf,
  partsOf,
  releaseOf,
  sourcesOf,
} from '../../../../scripts/guest/kernels.ts';

const MAIN = 'http://mirror.example/debian';
const SECURITY = 'http://mirror.example/security';

test('a kernel is found by its name and by its alias', (t) => {
  t.is(findSource('6.1'), KERNELS[0]);
  t.is(findSource('oldest'), KERNELS[0]);
  t.is(findSource('6.2'), undefined);
});

test('the mirrors are those of this machine', (t) => {
  const targets = [
    `Vendor|Vendor|http://mirror.example/other/`,
    `Debian|Debian-Security|${SECURITY}/`,
    `Debian|Debian|${MAIN}/`,
    '',
  ];
  t.deepEqual(mirrorsOf(targets.join('\n')), { main: MAIN, security: SECURITY });
});

test('security updates of a machine without them are beside the rest', (t) => {
  t.deepEqual(mirrorsOf(`Debian|Debian|${MAIN}/\n`), { main: MAIN, security: `${MAIN}-security` });
});

test('where no lists are downloaded yet, mirrors are known by their folders', (t) => {
  const targets = `||http://mirror.example/other/\n||${MAIN}-security/\n||${MAIN}/\n`;
  t.deepEqual(mirrorsOf(targets), { main: MAIN, security: `${MAIN}-security` });
});

test('a machine of another distribution has no mirror of Debian', (t) => {
  t.is(mirrorsOf('Ubuntu|Ubuntu|http://mirror.example/ubuntu/\n'), undefined);
  t.is(mirrorsOf(''), undefined);
});

test('every source is signed, and only releases have security updates', (t) => {
  const sources = KERNELS.map((source) => sourcesOf(source, { main: MAIN, security: SECURITY }));
  for (const line of sources.join('').trimEnd().split('\n')) t.regex(line, /^deb \[signed-by=\//);
  t.deepEqual(
    sources.map((text) => text.includes(SECURITY)),
    [true, true, false],
  );
});

test('the meta package names one exact package', (t) => {
  const stanza =
    'Package: linux-image-amd64\nVersion: 6.1.9-2\nDepends: linux-image-6.1.0-5-amd64 (= 6.1.9-2)\nDescription: x\n';
  const image = imageOf(exactDepends(stanza));
  t.deepEqual(image, { name: 'linux-image-6.1.0-5-amd64', version: '6.1.9-2' });
  t.is(releaseOf(image?.name ?? ''), '6.1.0-5-amd64');
});

test('a meta package without a kernel names none', (t) => {
  t.is(
    imageOf(exactDepends('Package: linux-image-amd64\nDepends: linux-base (>= 4)\n')),
    undefined,
  );
  t.is(imageOf(exactDepends('Package: linux-image-amd64\n')), undefined);
});

test('files may be in packages that the image depends on', (t) => {
  const stanza =
    'Depends: kmod, linux-base (>= 4.12), linux-base-7.2+deb14-amd64 (= 7.2-1), linux-binary-7.2+deb14-amd64 (= 7.2-1), linux-modules-7.2+deb14-amd64 (= 7.2-1), x | y (= 1)\n';
  t.deepEqual(
    partsOf(exactDepends(stanza)).map(({ name }) => name),
    ['linux-base-7.2+deb14-amd64', 'linux-binary-7.2+deb14-amd64', 'linux-modules-7.2+deb14-amd64'],
  );
});

test('only a package of a kernel has a release', (t) => {
  t.throws(() => releaseOf('linux-image-amd64'), { message: /no package of a kernel/ });
});
