// SPDX-License-Identifier: Apache-2.0
// Follows what netlink tells of by looking anew: what the kernel tells of changes is a doorbell only, so that a
// message that is lost costs nothing but time. Used by all who follow something of the network namespace.

import type { Logger } from '../telemetry/log.ts';
import { NETLINK_ROUTE, NetlinkSocket } from './libbpf/netlink-socket.ts';

/** Changes come in bursts: a device brings several addresses. */
const SETTLE_MS = 50;
/** For what nobody rang for, and where it cannot be listened. */
const LOOK_ANEW_MS = 60_000;

interface DoorbellOptions {
  /** Bits of the groups (RTNLGRP_*, linux/rtnetlink.h) whose messages ring. */
  readonly groups: number;
  /** What is followed, in the log: `addresses`. */
  readonly subject: string;
  /** Called at once, and each time that something may have changed. What it throws is logged. */
  readonly look: () => void;
  readonly log: Logger;
  /** Ends it, which then holds nothing any more. */
  readonly signal: AbortSignal;
}

/** @returns rings: something else may have changed what is looked for. */
export function followNetlink({ groups, subject, look, log, signal }: DoorbellOptions): () => void {
  let doorbell: NetlinkSocket | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isRung = false;

  function lookNow(): void {
    isRung = false;
    timer = setTimeout(lookNow, LOOK_ANEW_MS);
    try {
      // Before looking, so that no change falls between.
      doorbell ??= openDoorbell();
      look();
    } catch (error) {
      log.warn({ err: error }, `${subject} of the node cannot be followed`);
    }
  }

  function ring(): void {
    if (isRung || signal.aborted) return;
    isRung = true;
    clearTimeout(timer);
    timer = setTimeout(lookNow, SETTLE_MS);
  }

  function openDoorbell(): NetlinkSocket {
    const socket = NetlinkSocket.open(NETLINK_ROUTE, groups);
    socket.onReadable(() => {
      try {
        while (socket.receive()) ring();
      } catch (error) {
        // ENOBUFS: more came than it holds. A new one is opened with the next look.
        log.debug({ err: error }, `messages about ${subject} were lost`);
        closeDoorbell();
        ring();
      }
    });
    return socket;
  }

  function closeDoorbell(): void {
    doorbell?.close();
    doorbell = undefined;
  }

  if (signal.aborted) return ring;
  signal.addEventListener('abort', () => {
    clearTimeout(timer);
    closeDoorbell();
  });
  lookNow();
  return ring;
}
