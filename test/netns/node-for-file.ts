// SPDX-License-Identifier: Apache-2.0
// One node for all tests of a file, made before the first and taken away after the last, also when they fail.

import type { ExecutionContext, TestFn } from 'ava';
import { requireProgram, requireRoot } from '../helpers/requirements.ts';
import { TestNode } from './test-node.ts';

/** What every test of a node asks first. @returns whether the test may go on. */
export function canMakeNodes(t: ExecutionContext): boolean {
  return requireRoot(t) && requireProgram(t, 'cc');
}

/**
 * @param prepare what the tests find when they start.
 * @returns gives the node, to tests that asked {@link canMakeNodes}.
 */
export function nodeForFile(
  test: TestFn,
  prepare: (node: TestNode) => Promise<void>,
): () => TestNode {
  let node: TestNode | undefined;
  test.before(async (t) => {
    if (!canMakeNodes(t)) return;
    node = await TestNode.create();
    await prepare(node);
  });
  test.after.always(() => node?.close());
  return () => node as TestNode;
}
