/**
 * What is drawn over time: one row a second, for the last quarter of an hour.
 *
 * A time of which nothing is known is a row of nulls, so that a line breaks there. A page
 * that is open for days keeps no more than one that is open for fifteen minutes.
 */

export const HISTORY_S = 900;
const MAX_ROWS = HISTORY_S + 60; // and some gaps

export const LINES = [
  'rate',
  'ack',
  'backlog',
  'quality',
  'stability',
  'threshold',
  'outliers',
  'drift',
] as const;
export type Line = (typeof LINES)[number];
export type Row = Readonly<Record<Line, number | null>>;

export interface Gap {
  readonly from: number;
  /** Infinity as long as it lasts. */
  to: number;
  readonly why: string;
}

const MAX_GAPS = 200;

export class Series {
  readonly times: number[] = [];
  readonly lines = Object.fromEntries(LINES.map((line) => [line, []])) as unknown as Record<
    Line,
    (number | null)[]
  >;
  readonly gaps: Gap[] = [];

  clear(): void {
    this.times.length = 0;
    for (const line of LINES) this.lines[line].length = 0;
    this.gaps.length = 0;
  }

  add(at: number, row: Row): void {
    if (at <= (this.times.at(-1) ?? -Infinity)) return; // a clock was set
    this.times.push(at);
    for (const line of LINES) this.lines[line].push(row[line]);
    const tooOld = this.times.findIndex((time) => time > at - HISTORY_S);
    const many = Math.max(tooOld, this.times.length - MAX_ROWS);
    if (many < 1) return;
    this.times.splice(0, many);
    for (const line of LINES) this.lines[line].splice(0, many);
    while (this.gaps[0] && this.gaps[0].to < this.times[0]!) this.gaps.shift();
  }

  /** From now on nothing is known, until `mend`. */
  tear(at: number, why: string): void {
    if (this.gaps.at(-1)?.to === Infinity) return;
    this.gaps.push({ from: at, to: Infinity, why });
    if (this.gaps.length > MAX_GAPS) this.gaps.shift();
    this.add(at, NOTHING);
  }

  mend(at: number): void {
    const gap = this.gaps.at(-1);
    if (gap?.to !== Infinity) return;
    gap.to = at;
    this.add(at, NOTHING);
  }

  /** Return the row that was in force at a time; nulls if none was. */
  at(time: number): Row {
    const k = lastAtOrBefore(this.times, time);
    if (k < 0) return NOTHING;
    return Object.fromEntries(LINES.map((line) => [line, this.lines[line][k]!])) as Row;
  }
}

export const NOTHING: Row = Object.fromEntries(LINES.map((line) => [line, null])) as Row;

/** Return the index of the last one that is not after a time, in ascending times; or -1. */
export function lastAtOrBefore(times: readonly number[], time: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle]! <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
