/** Where one is: what the address names, taken from there and told there. */

import { format, type Link, parse } from './link';
import { Kept } from './ui/dom';

const keptStream = new Kept<{ stream: string }>('sessionStorage', 'ncs-stream');

export class Address {
  #link: Link = { stream: null, cluster: null, axes: 2, tab: null };

  get link(): Link {
    return this.#link;
  }

  /** Take what the address says; a key that it has is taken out and returned. */
  arrive(): string | null {
    const { key, ...link } = parse(location.hash);
    const stream = link.stream ?? this.#link.stream ?? keptStream.read().stream ?? null;
    this.#link = { ...link, stream };
    this.#tell();
    return key;
  }

  change(part: Partial<Link>): void {
    this.#link = { ...this.#link, ...part };
    if (part.stream) keptStream.write({ stream: part.stream });
    this.#tell();
  }

  #tell(): void {
    const { pathname, search } = location;
    history.replaceState(null, '', `${pathname}${search}${format(this.#link)}`);
  }
}
