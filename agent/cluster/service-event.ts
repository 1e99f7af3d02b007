// SPDX-License-Identifier: Apache-2.0
// What an Event about a Service looks like in the API (events.k8s.io/v1). Pure; used by event-recorder.ts.
// Invariant: whatever the note and the node's name are, the API server takes the Event (the limits are those of
// Kubernetes' validation of Events).

import { createHash } from 'node:crypto';
import type { ServiceSpec } from '../model/objects.ts';

interface Warning {
  /** What the agent was doing when it found the reason: `action` of an Event. */
  readonly action: string;
  /** Every agent finds the same: one of them tells it for all. */
  readonly isSameOnAllNodes: boolean;
}

/** All that is told by Events, by reason: one word each, for machines; people read the note. */
const WARNINGS = {
  /** Another Service has the frontend (semantics 1.6). */
  FrontendConflict: { action: 'ClaimFrontend', isSameOnAllNodes: true },
  /** This node does not answer the load balancer's health checks; reason and action are kube-proxy's (semantics 1.11). */
  FailedToStartServiceHealthcheck: { action: 'Listen', isSameOnAllNodes: false },
} as const satisfies Record<string, Warning>;

export type WarningReason = keyof typeof WARNINGS;

/** What an Event is about; its age tells a Service from an earlier one of the same name. */
export type ServiceIdentity = Pick<ServiceSpec, 'namespace' | 'name' | 'creationTimestamp'>;

export interface ServiceWarning {
  readonly service: ServiceIdentity;
  readonly reason: WarningReason;
  readonly note: string;
}

/** Who tells it. */
const CONTROLLER = 'signalbox';
const MAX_NOTE_BYTES = 1024;
const MAX_INSTANCE_BYTES = 128;

/**
 * The name of the Event that tells `warning`. Equal warnings have equal names, from one agent as well as from all
 * agents when they all find the same: then the API server has one Event and not one for each node.
 */
export function eventName({ service, reason, note }: ServiceWarning, nodeName: string): string {
  const teller = WARNINGS[reason].isSameOnAllNodes ? [] : [nodeName];
  const identity = JSON.stringify([service.creationTimestamp ?? '', reason, note, ...teller]);
  const digest = createHash('sha256').update(identity).digest('hex');
  return `${service.name}.${digest.slice(0, 16)}`;
}

/** Of the Events in one namespace. */
export function eventsPath(namespace: string): string {
  return `/apis/events.k8s.io/v1/namespaces/${namespace}/events`;
}

/**
 * The Event to create.
 *
 * @param uid of the Service: `kubectl describe` shows only Events that have it.
 */
export function newEvent(
  { service, reason, note }: ServiceWarning,
  { uid, nodeName, at }: { readonly uid: string; readonly nodeName: string; readonly at: Date },
): object {
  const { namespace, name } = service;
  return {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { namespace, name: eventName({ service, reason, note }, nodeName) },
    eventTime: microTime(at),
    reportingController: CONTROLLER,
    reportingInstance: cutToBytes(nodeName, MAX_INSTANCE_BYTES),
    action: WARNINGS[reason].action,
    reason,
    regarding: { apiVersion: 'v1', kind: 'Service', namespace, name, uid },
    note: cutToBytes(note, MAX_NOTE_BYTES),
    type: 'Warning',
  };
}

/**
 * What a repetition changes of the Event; all else in it can never change.
 *
 * @param count how often it has happened, the first time included: from 2.
 * @param at the last time.
 */
export function seriesPatch(count: number, at: Date): object {
  return { series: { count, lastObservedTime: microTime(at) } };
}

/** Kubernetes' MicroTime: its parser wants six digits, no fewer. */
function microTime(time: Date): string {
  return time.toISOString().replace('Z', '000Z');
}

/** The beginning of `text` that fits into `limit` bytes of UTF-8, whole characters. */
function cutToBytes(text: string, limit: number): string {
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(limit));
  return text.slice(0, read);
}
