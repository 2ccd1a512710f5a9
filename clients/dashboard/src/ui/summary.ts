/** The page in a sentence, for who listens to it: now and then, and only if it says something new. */

import type { Happening } from '../worker/bridge';
import { byId } from './dom';
import { count, many, ratio } from './format';

const EVERY_MS = 15_000;

export interface Summed {
  readonly stream: string;
  readonly state: string;
  readonly clusters: number;
  readonly rate: number | null;
  readonly quality: number | null;
  readonly happenings: readonly Happening[];
  /** How many there ever were. */
  readonly total: number;
}

/** Return the sentence; `news` are the happenings since the last one. */
export function sentence(summed: Summed, news: readonly Happening[]): string {
  const { stream, state, clusters, rate, quality } = summed;
  if (state !== 'live') return `Stream ${stream}: ${state}.`;
  const parts = [
    `Stream ${stream}: ${many(clusters, 'cluster')}, ${count(rate)} points a second`,
    ...(quality === null ? [] : [`quality ${ratio(quality)}`]),
  ];
  const what = (['created', 'split', 'merged', 'removed'] as const).flatMap((kind) => {
    const times = news.filter((happening) => happening.kind === kind).length;
    return times ? [`${times} ${kind}`] : [];
  });
  const drift = news.findLast(({ kind }) => kind === 'drift');
  if (drift) what.push(`drift, ${drift.severity}`);
  return `${parts.join(', ')}${what.length ? `. Since then: ${what.join(', ')}` : ''}.`;
}

export class Summary {
  readonly #line = byId('summary');
  #saidAt = -Infinity;
  #total = 0;
  #state = '';

  show(summed: Summed, now: number): void {
    const isTurn = summed.state !== this.#state;
    if (!isTurn && now - this.#saidAt < EVERY_MS) return;
    const news = summed.happenings.slice(
      Math.max(0, summed.happenings.length - (summed.total - this.#total)),
    );
    const text = sentence(summed, summed.total > this.#total ? news : []);
    this.#saidAt = now;
    this.#total = summed.total;
    this.#state = summed.state;
    if (this.#line.textContent !== text) this.#line.textContent = text;
  }
}
