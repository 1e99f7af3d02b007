// SPDX-License-Identifier: Apache-2.0
// What the API server refuses of Events. The rules are Kubernetes' (validation of core and events.k8s.io
// Events, 1.36): loose for old core Events, strict for those with an eventTime, and for the newer group. Pure.

import { isDeepStrictEqual } from 'node:util';
import { ApiError, invalid } from '../api-error.ts';
import type { KubeObject } from '../kube-object.ts';

interface EventFields {
  readonly eventTime?: unknown;
  readonly type?: string;
  readonly reason?: string;
  readonly action?: string;
  readonly message?: string;
  readonly reportingComponent?: string;
  readonly reportingInstance?: string;
  readonly involvedObject?: { readonly namespace?: string };
  readonly series?: { readonly count?: number; readonly lastObservedTime?: unknown };
  readonly firstTimestamp?: unknown;
  readonly lastTimestamp?: unknown;
  readonly count?: number;
  readonly source?: { readonly component?: string; readonly host?: string };
}

/** A problem, as `field: what is wrong`. */
type Problem = string;

/** In bytes. */
const SHORT = 128;
const NOTE = 1024;
/** What an update through events.k8s.io may not touch. */
const IMMUTABLE = [
  'involvedObject',
  'reason',
  'message',
  'source',
  'firstTimestamp',
  'lastTimestamp',
  'count',
  'type',
  'eventTime',
  'action',
  'related',
  'reportingComponent',
  'reportingInstance',
] as const;

/** The layout that Kubernetes reads and writes a MicroTime by: exactly six digits. */
const MICRO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)$/;
const QUALIFIED_NAME = /^([a-z0-9]([a-z0-9.-]*[a-z0-9])?\/)?[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?$/;
/** Namespaces that hold Events about objects outside of namespaces. */
const CLUSTER_NAMESPACES = ['default', 'kube-system'];

/**
 * @param event under its core names.
 * @param isGrouped whether it came by way of events.k8s.io.
 * @param previous the Event as it was, when this is an update.
 * @throws ApiError 400 for a time that cannot be read, 422.
 */
export function checkEvent(event: KubeObject, isGrouped: boolean, previous?: KubeObject): void {
  checkTimes(event);
  const problems = [
    ...commonProblems(event, isGrouped ? 'reportingController' : 'reportingComponent'),
    ...(isGrouped ? (previous ? changeProblems(event, previous) : newProblems(event)) : []),
  ];
  if (problems.length === 0) return;
  const kind = isGrouped ? 'Event.events.k8s.io' : 'Event';
  const text = problems.length === 1 ? problems.join() : `[${problems.join(', ')}]`;
  throw invalid(kind, event.metadata.name, text);
}

function checkTimes(event: KubeObject): void {
  const { eventTime, series } = event as EventFields;
  for (const time of [eventTime, series?.lastObservedTime]) {
    if (isUnset(time) || (typeof time === 'string' && MICRO_TIME.test(time))) continue;
    throw new ApiError(
      400,
      `Event cannot be handled: parsing time ${JSON.stringify(time)} as "2006-01-02T15:04:05.000000Z07:00"`,
    );
  }
}

function commonProblems(event: KubeObject, controllerField: string): Problem[] {
  const { namespace = '' } = event.metadata;
  const { eventTime, involvedObject = {}, ...fields } = event as EventFields;
  const about = involvedObject.namespace ?? '';
  const foreign = `involvedObject.namespace: Invalid value: "${about}": does not match event.namespace`;
  if (isUnset(eventTime)) {
    const fits = about === '' ? namespace === 'default' : namespace === about;
    return fits ? [] : [foreign];
  }
  const {
    reportingComponent: controller = '',
    reportingInstance,
    action,
    reason,
    message,
  } = fields;
  return [
    ...(about === '' && !CLUSTER_NAMESPACES.includes(namespace) ? [foreign] : []),
    ...required(controllerField, controller),
    ...(controller === '' || QUALIFIED_NAME.test(controller)
      ? []
      : [`${controllerField}: Invalid value: "${controller}": must be a qualified name`]),
    ...required('reportingInstance', reportingInstance),
    ...tooLong('reportingInstance', reportingInstance, SHORT),
    ...required('action', action),
    ...tooLong('action', action, SHORT),
    ...required('reason', reason),
    ...tooLong('reason', reason, SHORT),
    ...tooLong('message', message, NOTE),
  ];
}

function newProblems(event: KubeObject): Problem[] {
  const { eventTime, type = '', source = {}, ...fields } = event as EventFields;
  const old = {
    firstTimestamp: fields.firstTimestamp,
    lastTimestamp: fields.lastTimestamp,
    count: fields.count,
    source: source.component || source.host || undefined,
  };
  return [
    ...seriesProblems(event),
    ...(isUnset(eventTime) ? ['eventTime: Required value'] : []),
    ...(['Normal', 'Warning'].includes(type)
      ? []
      : [`type: Invalid value: "": has invalid value: ${type}`]),
    ...Object.entries(old)
      .filter(([, value]) => !isUnset(value))
      .map(([field]) => `${field}: Invalid value: "": needs to be unset`),
  ];
}

function changeProblems(event: KubeObject, previous: KubeObject): Problem[] {
  const changed = IMMUTABLE.filter((field) => !isDeepStrictEqual(event[field], previous[field]));
  const isOtherSeries = !isDeepStrictEqual(event.series, previous.series);
  return [
    ...(isOtherSeries ? seriesProblems(event) : []),
    ...changed.map(
      (field) => `${field}: Invalid value: ${JSON.stringify(event[field])}: field is immutable`,
    ),
  ];
}

function seriesProblems(event: KubeObject): Problem[] {
  const { series } = event as EventFields;
  if (isUnset(series)) return [];
  return [
    ...((series?.count ?? 0) < 2 ? ['series.count: Invalid value: "": should be at least 2'] : []),
    ...(isUnset(series?.lastObservedTime) ? ['series.lastObservedTime: Required value'] : []),
  ];
}

function required(field: string, value: string | undefined): Problem[] {
  return value ? [] : [`${field}: Required value`];
}

function tooLong(field: string, value: string | undefined, limit: number): Problem[] {
  if (Buffer.byteLength(value ?? '') <= limit) return [];
  return [`${field}: Invalid value: "": can have at most ${limit} characters`];
}

/** Also what Go writes for nothing. */
function isUnset(value: unknown): boolean {
  return value === undefined || value === null || value === 0;
}
