/** What happened, in words, newest first. */

import { sign } from '../model/looks';
import { byId, make } from '../ui/dom';
import { clock, count } from '../ui/format';
import type { Happening } from '../worker/bridge';

const MOST_ENTRIES = 200;
const SIGNS = { created: '+', split: '÷', merged: '→', removed: '×', drift: '▲', reset: '∅' };

/** Return what happened, in words. */
export function words(happening: Happening, label: (id: number) => string): string {
  const { kind, cluster, other, size, affected, severity, text } = happening;
  switch (kind) {
    case 'created':
      return `cluster ${label(cluster)} with ${count(size)} points`;
    case 'split':
      return `cluster ${label(cluster)} from ${label(other)}, ${count(size)} points`;
    case 'merged':
      return `cluster ${label(cluster)} into ${label(other)}`;
    case 'removed':
      return `cluster ${label(cluster)}, it had ${count(size)} points`;
    case 'drift': {
      const what = affected?.length === 1 ? 'cluster' : 'clusters';
      const where = affected?.length ? `${what} ${affected.map(label).join(', ')}: ` : '';
      return `${severity}: ${where}${text}`;
    }
    case 'reset':
      return text ?? '';
  }
}

interface Entry {
  /** The last of them. */
  readonly happening: Happening;
  readonly times: number;
}

/**
 * Make one entry of low drifts that follow each other and say the same, with all clusters
 * that they affected.
 */
export function joined(happenings: readonly Happening[]): Entry[] {
  const entries: Entry[] = [];
  for (const happening of happenings) {
    const last = entries.at(-1);
    if (!last || !isSame(last.happening, happening)) {
      entries.push({ happening, times: 1 });
      continue;
    }
    const ids = [...(last.happening.affected ?? []), ...(happening.affected ?? [])];
    const affected = [...new Set(ids)].sort((a, b) => a - b);
    entries[entries.length - 1] = {
      happening: { ...happening, affected },
      times: last.times + 1,
    };
  }
  return entries;
}

const isSame = (a: Happening, b: Happening): boolean =>
  a.severity === 'low' && b.severity === 'low' && a.text === b.text && a.source === b.source;

export interface LogShown {
  readonly happenings: readonly Happening[];
  readonly total: number;
  readonly source: string | null;
  readonly label: (id: number) => string;
}

export class Log {
  readonly #list = byId('log').querySelector('ol')!;
  #key = '';

  /** `went` is called with a moment, and the cluster that it is about, or null. */
  constructor(readonly went: (at: number, cluster: number | null) => void) {}

  show({ happenings, total, source, label }: LogShown): void {
    const key = `${total} ${source} ${happenings.length}`;
    if (key === this.#key) return;
    this.#key = key;
    const seen = happenings.filter((h) => source === null || h.source === source);
    this.#list.replaceChildren(
      ...joined(seen)
        .slice(-MOST_ENTRIES)
        .reverse()
        .map((entry) => this.#entry(entry, label)),
    );
    if (seen.length === 0) this.#list.append(make('li', { class: 'none' }, 'Nothing yet.'));
  }

  #entry({ happening, times }: Entry, label: (id: number) => string): HTMLLIElement {
    const { kind, at, cluster, severity = '', source } = happening;
    const button = make(
      'button',
      { type: 'button', title: 'show this moment' },
      make('time', {}, clock(at)),
      make('b', {}, `${SIGNS[kind]} ${kind}${times > 1 ? ` ×${times}` : ''}`),
      ...(cluster >= 0 ? [sign(cluster)] : [make('i', { class: 'sign' })]),
      make('span', {}, words(happening, label)),
    );
    if (source) button.append(make('small', {}, source));
    button.addEventListener('click', () => this.went(at, cluster >= 0 ? cluster : null));
    return make('li', { class: `${kind} ${severity}`.trim() }, button);
  }
}
