// SPDX-License-Identifier: Apache-2.0
// What Events look like, and that they keep to the limits of the API server's validation (Kubernetes 1.36).

import test from 'ava';
import { eventName, newEvent, type ServiceWarning } from '../../../agent/cluster/service-event.ts';

const WARNING: ServiceWarning = {
  service: { namespace: 'kiada', name: 'quiz', creationTimestamp: '2026-01-01T00:00:00Z' },
  reason: 'FrontendConflict',
  note: 'taken',
};
const AT = new Date('2026-02-03T04:05:06.007Z');

const made = (change: Partial<ServiceWarning>, nodeName = 'node-1') =>
  newEvent({ ...WARNING, ...change }, { uid: 'u-1', nodeName, at: AT }) as {
    note: string;
    reportingInstance: string;
  };

test('all that events.k8s.io/v1 asks for, and times with six digits', (t) => {
  t.deepEqual(newEvent(WARNING, { uid: 'u-1', nodeName: 'node-1', at: AT }), {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { namespace: 'kiada', name: eventName(WARNING, 'node-1') },
    eventTime: '2026-02-03T04:05:06.007000Z',
    reportingController: 'signalbox',
    reportingInstance: 'node-1',
    action: 'ClaimFrontend',
    reason: 'FrontendConflict',
    regarding: { apiVersion: 'v1', kind: 'Service', namespace: 'kiada', name: 'quiz', uid: 'u-1' },
    note: 'taken',
    type: 'Warning',
  });
});

test('an Event has another name when anything else is told', (t) => {
  const { service } = WARNING;
  const names = [
    WARNING,
    { ...WARNING, note: 'taken again' },
    { ...WARNING, reason: 'FailedToStartServiceHealthcheck' as const },
    { ...WARNING, service: { ...service, name: 'quiz-2' } },
    { ...WARNING, service: { ...service, creationTimestamp: '2026-01-01T00:00:01Z' } },
    { ...WARNING, service: { namespace: 'kiada', name: 'quiz' } },
  ].map((warning) => eventName(warning, 'node-1'));
  t.is(new Set(names).size, names.length);
  for (const name of names) t.regex(name, /^quiz(-2)?\.[0-9a-f]{16}$/);
});

test('what all nodes find has one name, what one node finds has its own', (t) => {
  t.is(eventName(WARNING, 'node-1'), eventName(WARNING, 'node-2'));
  const own = { ...WARNING, reason: 'FailedToStartServiceHealthcheck' as const };
  t.not(eventName(own, 'node-1'), eventName(own, 'node-2'));
});

test('a note ends after 1024 bytes, between two characters', (t) => {
  t.is(made({ note: 'x'.repeat(1024) }).note, 'x'.repeat(1024));
  t.is(made({ note: 'x'.repeat(1025) }).note, 'x'.repeat(1024));
  t.is(made({ note: `x${'é'.repeat(600)}` }).note, `x${'é'.repeat(511)}`);
  t.is(made({ note: `xx${'😀'.repeat(300)}` }).note, `xx${'😀'.repeat(255)}`);
});

test("a node's name may be longer than what an Event takes", (t) => {
  t.is(made({}, `${'n'.repeat(200)}.example`).reportingInstance, 'n'.repeat(128));
});
