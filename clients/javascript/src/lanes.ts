/**
 * Batches on their way, by stream, until the server has them: exactly once.
 *
 * The identity of a batch is (producer, epoch, stream, seq), and stays the same however
 * often it is sent; the server applies it at most once. Numbers change in two cases only:
 * after the server refused a batch (and with it, for the gap, all after it), and after
 * one was dropped that had never been sent. So no batch can count twice.
 *
 * What waits is bounded in batches and bytes. Batches of a lane are sent in order, so
 * those that are on their way are the first ones, and none behind a batch that was never
 * sent was ever sent.
 */

import { type Body, bytesOf, type Codec, type Frame, type PointsHead } from './codec.js';
import { type NCSError, QueueFullError, refusedError } from './errors.js';
import type { AckMessage, ErrorMessage, Resume } from './generated/messages.js';

/** No server is to be waited for longer than that, whatever it says. */
const LONGEST_S = 3600;

/** What became of a batch that is in the model. */
export interface Receipt {
  readonly seq: number;
  /** Null if the ack was lost and the server told of it after a reconnect. */
  readonly ack: AckMessage | null;
}

export type Settle = (outcome: Receipt | NCSError) => void;

export class Batch {
  readonly bytes: number;
  seq = 0;
  /** Of its last transmission; an answer to an earlier one is told apart by it. */
  id = '';
  /** Under its present seq and id, while it is next and there is no credit for it. */
  frame: Frame | null = null;
  /** Size of the frame that it was last sent in. */
  frameBytes = 0;
  /** Whether it was ever sent; then the server may have it. */
  wasSent = false;
  /** Its turn among the batches of all streams. */
  turn = 0;

  constructor(
    readonly head: Omit<PointsHead, 'type' | 'seq' | 'id'> & { readonly stream: string },
    readonly body: Body,
    readonly settle: Settle,
  ) {
    this.bytes = bytesOf(body);
  }
}

export interface QueueOptions {
  /** Batches that may wait for their acks. */
  readonly maxBatches?: number;
  /** Bytes of points that may. */
  readonly maxBytes?: number;
  /**
   * What happens when there is no room: the new batch is refused, or the oldest that was
   * never sent gives way. What may have been sent is never dropped.
   */
  readonly overflow?: 'reject' | 'drop-oldest';
}

class Lane {
  nextSeq = 1;
  readonly batches: Batch[] = [];
  /** How many of them, from the first on, are on their way on the present connection. */
  sent = 0;
  flyingBytes = 0;
  /** When it may go on, after the server said "later". */
  pausedUntil: number | null = null;

  /** Let batches from `expected` on go out again, numbered without a gap. */
  rewind(expected: number): void {
    const at = this.batches.findIndex(({ seq }) => seq >= expected);
    const kept = at < 0 ? this.batches.length : at;
    this.nextSeq = expected;
    for (const batch of this.batches.slice(kept)) {
      batch.seq = this.nextSeq++;
      batch.frame = null;
    }
    this.sent = Math.min(this.sent, kept);
    this.flyingBytes = this.batches
      .slice(0, this.sent)
      .reduce((sum, b) => sum + b.frameBytes, 0);
  }

  /** Take the first batch off. */
  shift(): Batch {
    const batch = this.batches.shift() as Batch;
    if (this.sent > 0) {
      this.sent -= 1;
      this.flyingBytes -= batch.frameBytes;
    }
    return batch;
  }

  /** Take a batch out and close the gap that it leaves. */
  remove(batch: Batch): void {
    this.batches.splice(this.batches.indexOf(batch), 1);
    this.rewind(batch.seq);
  }
}

export class Lanes {
  /** By stream, in the order of their turns. */
  readonly #lanes = new Map<string, Lane>();
  #epoch: number;
  /** Whether nothing can be in a model under this epoch. */
  #isFresh = true;
  /** As the server has said of this epoch. */
  #isStale = false;
  /** Whether the connection has to be ended, since it began under an epoch that is over. */
  mustReconnect = false;
  readonly #limits: Required<QueueOptions>;
  #credit = 0;
  /** The most that the present connection has offered. */
  #mostCredit = 0;
  #turn = 0;
  #transmission = 0;
  #bytes = 0;
  #count = 0;

  constructor(epoch: number, streams: readonly string[], limits: QueueOptions = {}) {
    this.#epoch = epoch;
    this.#limits = { maxBatches: 1024, maxBytes: 16 << 20, overflow: 'reject', ...limits };
    for (const stream of streams) this.#lane(stream);
  }

  /** Of this life of the producer: the caller's, or one after the server's. */
  get epoch(): number {
    return this.#epoch;
  }

  /** The streams that have been pushed to. */
  get streams(): string[] {
    return [...this.#lanes.keys()];
  }

  /** Batches that are not acknowledged. */
  get unacknowledged(): number {
    return this.#count;
  }

  /** Whether a batch of usual size is taken without one giving way. */
  get hasRoom(): boolean {
    return this.#count < this.#limits.maxBatches && this.#bytes < this.#limits.maxBytes;
  }

  /** When the first paused lane may go on. */
  get deadline(): number {
    return Math.min(...[...this.#lanes.values()].map((l) => l.pausedUntil ?? Infinity));
  }

  /** Take a batch, and number it. @throws QueueFullError */
  add(batch: Batch): void {
    this.#makeRoom(batch.bytes);
    const lane = this.#lane(batch.head.stream);
    batch.seq = lane.nextSeq++;
    batch.turn = this.#turn++;
    lane.batches.push(batch);
    this.#count += 1;
    this.#bytes += batch.bytes;
  }

  /** Take a batch back that was never sent; return whether that was so. */
  withdraw(batch: Batch): boolean {
    const lane = this.#lane(batch.head.stream);
    if (batch.wasSent || !lane.batches.includes(batch)) return false;
    lane.remove(batch);
    this.#forget(batch);
    return true;
  }

  /** The connection is lost; what was on its way may be in the model. */
  disconnected(): void {
    if (this.#flying() > 0) this.#isFresh = false;
    this.mustReconnect = false;
  }

  /**
   * A new connection: nothing is on its way. Go on from what the server has; or, if its
   * epoch is after this one, as where a clock was set back, have one after that.
   */
  welcomed(resume: Readonly<Record<string, Resume>>, credit: number): void {
    const newest = Math.max(0, ...Object.values(resume).map((mark) => mark.producer_epoch));
    if (this.#isFresh && newest > this.#epoch && newest < Number.MAX_SAFE_INTEGER) {
      this.#epoch = newest + 1;
      this.#isStale = false;
      this.mustReconnect = true;
      return;
    }
    if (this.#isStale) this.#isFresh = false;
    this.#credit = this.#mostCredit = credit;
    for (const [stream, lane] of this.#lanes) {
      lane.pausedUntil = null;
      const mark = Object.hasOwn(resume, stream) ? resume[stream] : undefined;
      const lastSeq = mark?.producer_epoch === this.#epoch ? mark.last_seq : 0;
      this.#settleUpTo(lane, lastSeq, null);
      lane.rewind(lastSeq + 1);
    }
  }

  acknowledged(ack: AckMessage): void {
    this.#isFresh = false;
    const lane = this.#lanes.get(ack.stream);
    if (lane) this.#settleUpTo(lane, ack.seq, ack);
    // An ack tells what is left beside what the server has of us, which is at most what
    // we have on its way; and never more than it has ever offered.
    this.#mostCredit = Math.max(this.#mostCredit, ack.credit);
    this.#credit = Math.min(this.#mostCredit, ack.credit + this.#flying());
  }

  /** Send nothing, but for a single frame, until the next ack. */
  slowDown(): void {
    this.#credit = 0;
  }

  /** Take a refusal; return whether it was about a batch that waits for an answer. */
  refused(error: ErrorMessage, now: number): boolean {
    const lane = this.#lanes.get(error.stream ?? '');
    const at = lane?.batches.findIndex(({ id }) => id === error.id) ?? -1;
    const batch = lane?.batches[at];
    if (!lane || !batch || at >= lane.sent) return false; // one that another has replaced
    if (error.retry === 'rewind' && error.expected_seq !== undefined) {
      lane.rewind(error.expected_seq);
    } else if (error.retry === 'later' || error.retry === 'reconnect') {
      lane.rewind(batch.seq);
      lane.pausedUntil = now + waitMs(error);
    } else if (this.#isFresh && error.code === 'stale_producer_epoch') {
      lane.rewind(1); // of this stream nothing was taken
      this.#isStale = true;
      this.mustReconnect = true;
    } else {
      lane.remove(batch);
      this.#forget(batch);
      batch.settle(errorOf(error));
    }
    return true;
  }

  /** Let the lanes go on whose time has come. */
  tick(now: number): void {
    for (const lane of this.#lanes.values()) {
      if (lane.pausedUntil !== null && lane.pausedUntil <= now) lane.pausedUntil = null;
    }
  }

  /** Return the frames that may be sent now, of each stream in turn. */
  take(codec: Codec, maxFrameBytes: number): Frame[] {
    const frames: Frame[] = [];
    let flying = this.#flying();
    for (let next = this.#next(); next; next = this.#next()) {
      const [stream, lane, batch] = next;
      const frame = batch.frame ?? this.#encode(codec, batch);
      const frameBytes = bytesOf(frame);
      if (frameBytes > maxFrameBytes) {
        this.#giveUp(lane, batch, frameBytes, maxFrameBytes);
        continue;
      }
      if (flying > 0 && flying + frameBytes > this.#credit) {
        batch.frame = frame;
        break;
      }
      Object.assign(batch, { frame: null, frameBytes, wasSent: true });
      lane.sent += 1;
      lane.flyingBytes += frameBytes;
      flying += frameBytes;
      frames.push(frame);
      this.#lanes.delete(stream);
      this.#lanes.set(stream, lane); // behind the others
    }
    return frames;
  }

  /** Return the batch whose turn it is. */
  #next(): [string, Lane, Batch] | undefined {
    for (const [stream, lane] of this.#lanes) {
      const batch = lane.pausedUntil === null ? lane.batches[lane.sent] : undefined;
      if (batch) return [stream, lane, batch];
    }
    return undefined;
  }

  #encode(codec: Codec, batch: Batch): Frame {
    batch.id = `t${++this.#transmission}`;
    const { head, seq, id, body } = batch;
    return codec.encodePoints({ type: 'points', ...head, seq, id }, body);
  }

  /** Settle everything with an error: the session is over. */
  fail(error: NCSError): void {
    for (const lane of this.#lanes.values()) {
      while (lane.batches.length > 0) {
        const batch = lane.shift();
        this.#forget(batch);
        batch.settle(error);
      }
    }
  }

  #lane(stream: string): Lane {
    const lane = this.#lanes.get(stream) ?? new Lane();
    this.#lanes.set(stream, lane);
    return lane;
  }

  #flying(): number {
    let sum = 0;
    for (const lane of this.#lanes.values()) sum += lane.flyingBytes;
    return sum;
  }

  #settleUpTo(lane: Lane, seq: number, ack: AckMessage | null): void {
    while (lane.batches[0] && lane.batches[0].seq <= seq) {
      const batch = lane.shift();
      this.#forget(batch);
      batch.settle({ seq: batch.seq, ack });
    }
  }

  #makeRoom(bytes: number): void {
    const { maxBatches, maxBytes, overflow } = this.#limits;
    while (this.#count > 0 && (this.#count >= maxBatches || this.#bytes + bytes > maxBytes)) {
      const oldest = overflow === 'drop-oldest' ? this.#oldestUnsent() : undefined;
      const said = `${this.#count} batches of ${this.#bytes} bytes wait for their acks`;
      if (!oldest) throw new QueueFullError(said);
      this.withdraw(oldest);
      oldest.settle(new QueueFullError(`dropped for a newer batch: ${said}`));
    }
  }

  #oldestUnsent(): Batch | undefined {
    const first = [...this.#lanes.values()].map((l) => l.batches.find((b) => !b.wasSent));
    return first.reduce((a, b) => (!a || (b && b.turn < a.turn) ? b : a), undefined);
  }

  #giveUp(lane: Lane, batch: Batch, size: number, limit: number): void {
    const detail = `frame of ${size} bytes, the limit is ${limit}`;
    lane.remove(batch); // nothing behind it is on its way: batches are sent in order
    this.#forget(batch);
    batch.settle(refusedError({ code: 'frame_too_large', detail }));
  }

  #forget(batch: Batch): void {
    this.#count -= 1;
    this.#bytes -= batch.bytes;
  }
}

/** Return the error for a refusal that came over the WebSocket. */
export function errorOf(error: ErrorMessage): NCSError {
  const { code, detail, index, retry_after: retryAfter } = error;
  return refusedError({ code, detail, index, retryAfter });
}

/** Return how long a refusal wants to be waited for. */
export function waitMs({ retry_after: seconds = 1 }: ErrorMessage): number {
  return 1000 * (seconds >= 0 && seconds < LONGEST_S ? seconds : LONGEST_S);
}
