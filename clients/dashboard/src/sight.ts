/** What one looks at: which moment, which source, and what is seen then of the clusters. */

import type { Mark } from './model/history';
import { Playback } from './model/playback';
import type { Store } from './model/store';
import type { Happening } from './worker/bridge';

const FAINT = 0.12;
const DIM = 0.45;

export interface Seen {
  readonly marks: readonly Mark[];
  readonly happenings: readonly Happening[];
  /** Epoch seconds of the server that are shown: now, or some time before. */
  readonly now: number;
  readonly isLive: boolean;
  readonly chosen: number | null;
  readonly source: string | null;
  /** How much of a cluster is seen, in [0, 1]; null if it is all of each. */
  readonly weight: ((id: number) => number) | null;
  readonly label: (id: number) => string;
  readonly isPinned: (id: number) => boolean;
}

export class Sight {
  readonly playback = new Playback();
  source: string | null = null;

  constructor(
    readonly store: Store,
    readonly names: Pick<Seen, 'label' | 'isPinned'>,
  ) {}

  get marks(): readonly Mark[] {
    const { at } = this.playback;
    return at === null ? this.store.marks : this.store.history.at(at);
  }

  at(now: number, chosen: number | null): Seen {
    const { at } = this.playback;
    return {
      ...this.names,
      marks: this.marks,
      happenings: this.store.happenings,
      now: at ?? now,
      isLive: at === null,
      chosen,
      source: this.source,
      weight: this.#weight(chosen),
    };
  }

  /** All is seen, or less if another cluster or another source is looked at. */
  #weight(chosen: number | null): Seen['weight'] {
    const { source } = this;
    if (chosen === null && source === null) return null;
    const { touched } = this.store;
    return (id) => {
      if (source !== null && touched.get(id) !== source) return FAINT;
      return chosen === null || id === chosen || id < 0 ? 1 : DIM;
    };
  }
}
