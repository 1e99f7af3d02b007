// SPDX-License-Identifier: Apache-2.0
// What deleting a Pod does to its object, by what is asked for and what the Pod is (Kubernetes 1.36).

import test from 'ava';
import type { KubeObject } from '../../lab/object-store.ts';
import { markedForDeletion } from '../../lab/pod-deletion.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');

const pod = (spec: object = {}, phase = 'Running'): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', labels: { a: 'b' } },
  spec: { nodeName: 'n1', containers: [], ...spec },
  status: { phase },
});
const marked = (seconds: number): KubeObject => ({
  ...pod(),
  metadata: {
    ...pod().metadata,
    deletionTimestamp: new Date(NOW + seconds * 1000).toISOString().replace('.000', ''),
    deletionGracePeriodSeconds: seconds,
  },
});

const rows: [
  title: string,
  pod: KubeObject,
  asked: number | undefined,
  expected: number | 'gone',
][] = [
  ['nothing is asked for: 30 s', pod(), undefined, 30],
  ['the Pod’s own', pod({ terminationGracePeriodSeconds: 7 }), undefined, 7],
  ['what is asked for comes before it', pod({ terminationGracePeriodSeconds: 7 }), 60, 60],
  ['less than nothing is a second', pod(), -1, 1],
  ['at once', pod(), 0, 'gone'],
  ['a Pod that wants no time', pod({ terminationGracePeriodSeconds: 0 }), undefined, 'gone'],
  ['it has no node yet', pod({ nodeName: undefined }), 30, 'gone'],
  ['it has succeeded', pod({}, 'Succeeded'), 30, 'gone'],
  ['it has failed', pod({}, 'Failed'), undefined, 'gone'],
  ['a second time changes nothing', marked(30), undefined, 30],
  ['it can be shortened', marked(30), 5, 5],
  ['it cannot be prolonged', marked(30), 60, 30],
  ['it can be cut off', marked(30), 0, 'gone'],
];
for (const [title, given, asked, expected] of rows) {
  test(title, (t) => {
    const after = markedForDeletion(given, asked, NOW);
    t.deepEqual(after?.metadata, expected === 'gone' ? undefined : marked(expected).metadata);
  });
}

test('all else of the Pod stays', (t) => {
  const { metadata: _, ...rest } = markedForDeletion(pod(), 5, NOW) ?? {};
  const { metadata: __, ...before } = pod();
  t.deepEqual(rest, before);
});
