// SPDX-License-Identifier: Apache-2.0
// Annotations of our own, which decide how connections are spread over backends. Used by service.ts and
// endpoint-slice.ts. One that makes no sense counts as none, and is named.

import type { Balancing } from '../model/objects.ts';
import { attempt, FieldError, type JsonObject } from './json-fields.ts';
import { annotationText } from './object-metadata.ts';

/** Of a Service. */
const BALANCING = 'signalbox/balancing';
/** Of an EndpointSlice. */
const WEIGHT = 'signalbox/weight';
const MAX_WEIGHT = 100;

type OnError = (error: FieldError) => void;

/** @param onError takes a word that is none. */
export function readBalancing(object: JsonObject, onError: OnError): Balancing {
  const word = attempt(() => annotationText(object, BALANCING), onError) ?? 'random';
  if (word === 'random' || word === 'maglev') return word;
  onError(annotationError(BALANCING, word, 'random or maglev; random is in force'));
  return 'random';
}

/** @param onError takes what is no weight. @returns undefined without one. */
export function readWeight(object: JsonObject, onError: OnError): number | undefined {
  const text = attempt(() => annotationText(object, WEIGHT), onError);
  if (text === undefined) return undefined;
  if (/^\d{1,3}$/.test(text) && Number(text) <= MAX_WEIGHT) return Number(text);
  onError(annotationError(WEIGHT, text, `a whole number from 0 to ${MAX_WEIGHT}; 1 is in force`));
  return undefined;
}

function annotationError(annotation: string, value: string, expected: string): FieldError {
  const error = new FieldError(annotation, value, expected);
  error.putInside('annotations');
  error.putInside('metadata');
  return error;
}
