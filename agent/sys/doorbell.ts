// SPDX-License-Identifier: Apache-2.0
// Follows what netlink tells of by looking anew: what the kernel tells of changes is a doorbell only, so that a
// message that is lost costs nothing but time. Used by all who follow something of the network namespace.

import type { Logger } from '../telemetry/log.ts';
import { NETLINK_ROUTE, NetlinkSocket } from './libbpf/netlink-socket.ts';

/** Changes come in bursts: a device brings several addresses. */
const SETTLE_MS = 50;
/** A node on which something changes all the time is looked at for a tenth of the time, as far as this allows. */
const LONGEST_SETTLE_MS = 1000;
/** For what nobody rang for, and where it cannot be listened. */
const LOOK_ANEW_MS = 60_000;

interface DoorbellOptions {
  /** Bits of the groups (RTNLGRP_*, linux/rtnetlink.h) whose messages ring. */
  readonly groups: number;
  /** What is followed, in the log: `addresses`. */
  readonly subject: string;
  /** Called each time that something may have changed, never while it goes on. What it throws is logged. */
  readonly look: () => void | Promise<void>;
  readonly log: Logger;
  /** Ends it, which then holds nothing any more. */
  readonly signal: AbortSignal;
}

export interface Doorbell {
  /** Something else may have changed what is looked for. */
  ring(): void;
  /** Resolves when no look goes on; the first one has begun when the doorbell is there. */
  idle(): Promise<void>;
}

/** Looks at once, and then whenever the kernel tells of something. */
export function followNetlink({ groups, subject, look, log, signal }: DoorbellOptions): Doorbell {
  let socket: NetlinkSocket | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isRung = false;
  let looking: Promise<void> | undefined;
  let begunMs = 0;
  let settleMs = SETTLE_MS;

  function lookNow(): void {
    isRung = false;
    begunMs = performance.now();
    try {
      // Before looking, so that no change falls between.
      socket ??= listen();
      looking = look()?.catch(tell);
    } catch (error) {
      tell(error);
    }
    if (looking) looking.then(endLook);
    else endLook();
  }

  function endLook(): void {
    looking = undefined;
    if (signal.aborted) return;
    const tookMs = performance.now() - begunMs;
    settleMs = Math.max(SETTLE_MS, Math.min(10 * tookMs, LONGEST_SETTLE_MS));
    timer = setTimeout(lookNow, isRung ? settleMs : LOOK_ANEW_MS);
  }

  function ring(): void {
    if (isRung || signal.aborted) return;
    isRung = true;
    // Otherwise it is looked again when this look is over.
    if (looking) return;
    clearTimeout(timer);
    timer = setTimeout(lookNow, settleMs);
  }

  function listen(): NetlinkSocket {
    const opened = NetlinkSocket.open(NETLINK_ROUTE, groups);
    opened.onReadable(() => {
      try {
        while (opened.receive()) ring();
      } catch (error) {
        // ENOBUFS: more came than it holds. A new one is opened with the next look.
        log.debug({ err: error }, `messages about ${subject} were lost`);
        stopListening();
        ring();
      }
    });
    return opened;
  }

  function stopListening(): void {
    socket?.close();
    socket = undefined;
  }

  function tell(error: unknown): void {
    log.warn({ err: error }, `${subject} of the node cannot be followed`);
  }

  if (!signal.aborted) {
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      stopListening();
    });
    lookNow();
  }
  return { ring, idle: async () => await looking };
}
