// SPDX-License-Identifier: Apache-2.0
// What deleting a Pod does to the object at first (Kubernetes 1.36, graceful deletion). Pure. A Pod that runs
// is only marked: it goes when the kubelet has ended it.

import type { KubeObject } from './kube-object.ts';
import { podSpec, podStatus } from './pod-object.ts';

const DEFAULT_GRACE_SECONDS = 30;

/**
 * @param graceSeconds what the client asks for; undefined leaves it to the Pod. 0 waits for nobody.
 * @returns the Pod marked for deletion, or as it is when that changes nothing; undefined when the object
 *   goes at once.
 */
export function markedForDeletion(
  pod: KubeObject,
  graceSeconds: number | undefined,
  nowMs: number,
): KubeObject | undefined {
  // As in Kubernetes, who asks for less than nothing gets a second.
  const asked = graceSeconds !== undefined && graceSeconds < 0 ? 1 : graceSeconds;
  return pod.metadata.deletionTimestamp ? hastened(pod, asked) : marked(pod, asked, nowMs);
}

function marked(pod: KubeObject, asked: number | undefined, nowMs: number): KubeObject | undefined {
  const { nodeName, terminationGracePeriodSeconds = DEFAULT_GRACE_SECONDS } = podSpec(pod);
  const isOver = ['Succeeded', 'Failed'].includes(podStatus(pod).phase);
  const seconds = nodeName && !isOver ? (asked ?? terminationGracePeriodSeconds) : 0;
  return seconds === 0 ? undefined : endingAt(pod, nowMs + seconds * 1000, seconds);
}

/** A grace period can be shortened, never prolonged. */
function hastened(pod: KubeObject, asked: number | undefined): KubeObject | undefined {
  const { deletionTimestamp = '', deletionGracePeriodSeconds: seconds = 0 } = pod.metadata;
  if (seconds === 0 || asked === 0) return undefined;
  if (asked === undefined || asked >= seconds) return pod;
  return endingAt(pod, Date.parse(deletionTimestamp) - (seconds - asked) * 1000, asked);
}

function endingAt(pod: KubeObject, endMs: number, seconds: number): KubeObject {
  const marks = {
    deletionTimestamp: new Date(endMs).toISOString().replace(/\.\d+Z$/, 'Z'),
    deletionGracePeriodSeconds: seconds,
  };
  return { ...pod, metadata: { ...pod.metadata, ...marks } };
}
