/**
 * Names and pins that somebody gave to clusters, kept in this browser.
 *
 * Ids belong to an epoch of a stream: after a reset by hand of its history they could mean
 * other clusters, so what was given is kept with the epoch.
 */

import { Kept } from '../ui/dom';

interface Given {
  name?: string;
  pinned?: boolean;
}
type Notes = Record<string, Given>;

const PREFIX = 'ncs-clusters:';
const MOST_PLACES = 20;
const MOST_NAME = 40;

export class Names {
  #kept: Kept<Notes> | null = null;
  #notes: Notes = {};

  /** Take up what was given in an epoch of a stream. */
  begin(stream: string, epoch: string): void {
    const place = `${PREFIX}${stream}:${epoch}`;
    if (this.#kept?.place === place) return;
    this.#kept = new Kept<Notes>('localStorage', place);
    this.#notes = this.#kept.read() as Notes;
  }

  /** What a cluster is called: its name, or its number. */
  label(id: number): string {
    return this.#notes[id]?.name ?? String(id);
  }

  nameOf(id: number): string {
    return this.#notes[id]?.name ?? '';
  }

  isPinned(id: number): boolean {
    return this.#notes[id]?.pinned ?? false;
  }

  call(id: number, name: string): void {
    this.#change(id, { ...this.#notes[id], name: name.trim().slice(0, MOST_NAME) });
  }

  pin(id: number, pinned: boolean): void {
    this.#change(id, { ...this.#notes[id], pinned });
  }

  #change(id: number, { name, pinned }: Given): void {
    delete this.#notes[id];
    if (name || pinned) this.#notes[id] = { ...(name && { name }), ...(pinned && { pinned }) };
    this.#kept?.write(this.#notes);
    this.#tidy();
  }

  /** Forget what was given longest ago in other epochs. */
  #tidy(): void {
    try {
      const places = Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
      for (const place of places.slice(0, -MOST_PLACES)) {
        if (place !== this.#kept?.place) localStorage.removeItem(place);
      }
    } catch {
      // nothing is kept, nothing is to tidy
    }
  }
}
