// SPDX-License-Identifier: Apache-2.0
// The Status objects with which the API server refuses, and confirms deletions.

import type { ApiError } from '../api-error.ts';
import type { KubeObject } from '../kube-object.ts';
import type { Resource } from './resources.ts';

const STATUS = { kind: 'Status', apiVersion: 'v1', metadata: {} } as const;

/** @param details what the request was about, when that is known. */
export function failure(error: ApiError, details: object = {}): object {
  const { message, reason, code } = error;
  return { ...STATUS, status: 'Failure', message, reason, details, code };
}

export function deleted({ group, plural }: Resource, { metadata }: KubeObject): object {
  const details = { name: metadata.name, group, kind: plural, uid: metadata.uid };
  return { ...STATUS, status: 'Success', details };
}
