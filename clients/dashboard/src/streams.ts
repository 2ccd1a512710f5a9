/** The choice of a stream; the server is asked which there are when somebody is about to choose. */

import type { Feed, Refusal } from './feed';
import { byId } from './ui/dom';

const DEFAULT_STREAM = 'default';

export class Streams {
  readonly #select = byId<HTMLSelectElement>('stream');
  #here: string | null = null;

  /** `chosen` is called with a stream, `refused` if the key may not read any. */
  constructor(
    readonly feed: Feed,
    readonly events: { chosen(stream: string): void; refused(): void },
  ) {
    this.#select.addEventListener('change', () => events.chosen(this.#select.value));
    for (const kind of ['focus', 'pointerdown']) {
      this.#select.addEventListener(kind, () => void this.list());
    }
  }

  /** Ask which streams there are; the first is chosen unless one is shown. */
  async list(): Promise<void> {
    let names: readonly string[] = [];
    try {
      names = await this.feed.ask('streams', {});
    } catch (error) {
      if ((error as Refusal).status === 403) this.events.refused();
    }
    if (this.#here === null) this.events.chosen(names[0] ?? DEFAULT_STREAM);
    this.#offer(names);
  }

  show(stream: string): void {
    this.#here = stream;
    this.#offer([...this.#select.options].map(({ value }) => value));
  }

  #offer(names: readonly string[]): void {
    const all = [...new Set([...names, this.#here!])];
    if (String(all) !== String([...this.#select.options].map(({ value }) => value))) {
      this.#select.replaceChildren(...all.map((name) => new Option(name)));
    }
    this.#select.value = this.#here!;
  }
}
