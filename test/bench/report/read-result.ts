// SPDX-License-Identifier: Apache-2.0
// Reads the file of a run and tells what is wrong with one that is not: what follows may then rely on its type.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import Ajv, { type ValidateFunction } from 'ajv/dist/jtd.js';
import { EnvironmentError, messageOf } from '../../../agent/errors.ts';
import { RESULT_VERSION, type Result } from '../result.ts';
import { budgetRows } from './budgets.ts';
import { RESULT_SCHEMA } from './result-schema.ts';

/** The run that the documents show: in the repository. */
export const BASELINE = path.join(import.meta.dirname, '../baseline.json');

const MEASURE = 'Measure anew: npm run bench.';

/**
 * @param name a file, or `baseline`.
 * @returns with its budgets judged as they are judged now.
 * @throws EnvironmentError when there is no such file or it is no result of this version.
 */
export function readResult(name: string): Result {
  const file = name === 'baseline' ? BASELINE : name;
  const result = checkedResult(parsed(file), file);
  return { ...result, budgets: budgetRows(result) };
}

/** @param file for what is said of it. */
export function checkedResult(value: unknown, file: string): Result {
  const version = (value as { version?: unknown } | null)?.version;
  if (version !== RESULT_VERSION) {
    const found = version === undefined ? 'no version' : `version ${JSON.stringify(version)}`;
    throw new EnvironmentError(
      `${file} is no result of this benchmark: it has ${found} where ${RESULT_VERSION} is read`,
      { hint: MEASURE },
    );
  }
  const validate = validator();
  if (!validate(value)) {
    const [error] = validate.errors ?? [];
    const at = error?.instancePath || 'its top';
    const lacking = (error?.params as { missingProperty?: string } | undefined)?.missingProperty;
    const what = lacking === undefined ? error?.message : `there is no ${lacking}`;
    throw new EnvironmentError(`${file} is no whole result: at ${at}, ${what}`, { hint: MEASURE });
  }
  return value as Result;
}

let compiled: ValidateFunction | undefined;

/** To compile it takes far longer than to use it. */
function validator(): ValidateFunction {
  compiled ??= new Ajv.Ajv().compile(RESULT_SCHEMA);
  return compiled;
}

function parsed(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new EnvironmentError(`the result ${file} could not be read: ${messageOf(cause)}`, {
      hint: 'Name the JSON file that npm run bench has written, or `baseline`.',
      cause,
    });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new EnvironmentError(`${file} is not JSON: ${messageOf(cause)}`, {
      hint: MEASURE,
      cause,
    });
  }
}
