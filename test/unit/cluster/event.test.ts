// SPDX-License-Identifier: Apache-2.0
// What Events look like, and that they keep to the limits of the API server's validation (Kubernetes 1.36).

import test from 'ava';
import {
  eventName,
  type NodeOccurrence,
  newEvent,
  type ServiceOccurrence,
} from '../../../agent/cluster/event.ts';

const WARNING: ServiceOccurrence = {
  service: { namespace: 'kiada', name: 'quiz', creationTimestamp: '2026-01-01T00:00:00Z' },
  reason: 'FrontendConflict',
  note: 'taken',
};
const AT = new Date('2026-02-03T04:05:06.007Z');

const made = (change: Partial<ServiceOccurrence>, nodeName = 'node-1') =>
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

test('one reason may be of a Service and of a node', (t) => {
  const failed = { ...WARNING, reason: 'FailedToProgram' as const };
  t.is(eventName(failed, 'node-1'), eventName(failed, 'node-2'));
  t.like(newEvent(failed, { uid: 'u-1', nodeName: 'node-1', at: AT }), {
    reason: 'FailedToProgram',
    regarding: { kind: 'Service', name: 'quiz' },
  });
  const ofNode = { startedAt: '', reason: 'FailedToProgram' as const, note: 'ENOMEM' };
  t.not(eventName(ofNode, 'node-1'), eventName(ofNode, 'node-2'));
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

const STARTING: NodeOccurrence = {
  startedAt: '2026-02-03T04:05:00.000Z',
  reason: 'Starting',
  note: 'at work',
};

test('an Event about the node is where kubectl describe looks for it', (t) => {
  t.deepEqual(newEvent(STARTING, { uid: 'node-1', nodeName: 'node-1', at: AT }), {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { namespace: 'default', name: eventName(STARTING, 'node-1') },
    eventTime: '2026-02-03T04:05:06.007000Z',
    reportingController: 'signalbox',
    reportingInstance: 'node-1',
    action: 'StartServiceProxy',
    reason: 'Starting',
    regarding: { apiVersion: 'v1', kind: 'Node', name: 'node-1', uid: 'node-1' },
    note: 'at work',
    type: 'Normal',
  });
});

test('each life of an agent has Events of its own, and so has each node', (t) => {
  const names = [
    eventName(STARTING, 'node-1'),
    eventName(STARTING, 'node-2'),
    eventName({ ...STARTING, startedAt: '2026-02-03T04:05:01.000Z' }, 'node-1'),
    eventName({ ...STARTING, reason: 'SelfTestFailed' }, 'node-1'),
  ];
  t.is(new Set(names).size, names.length);
  t.regex(names[0] ?? '', /^node-1\.[0-9a-f]{16}$/);
});

test("the longest node's name: a name of an Event still, wherever it is cut", (t) => {
  for (const last of ['n', '-', '.']) {
    const nodeName = `${'n'.repeat(235)}${last}${'n'.repeat(17)}`;
    const name = eventName(STARTING, nodeName);
    t.true(name.length <= 253);
    t.regex(name, /^n+\.[0-9a-f]{16}$/);
  }
});
