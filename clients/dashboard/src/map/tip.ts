/** What is said of the cluster that the pointer is on. */

import type { Mark } from '../model/history';
import { byId, say } from '../ui/dom';
import { compact, count, ratio } from '../ui/format';

export class Tip {
  readonly #tip = byId('tip');

  hide(): void {
    this.#tip.hidden = true;
  }

  show({ size, quality, health, drift, age }: Mark, label: string, x: number, y: number): void {
    const tip = this.#tip;
    tip.hidden = false;
    say(
      tip,
      `cluster ${label}\n${count(size)} points\nquality ${ratio(quality)}   health ${ratio(health)}\ndrift ${ratio(drift)}   age ${compact(age)} points`,
    );
    const { clientWidth, clientHeight } = tip.parentElement!;
    const left = x + 16 + tip.offsetWidth > clientWidth ? x - 12 - tip.offsetWidth : x + 16;
    const top = Math.min(y + 12, clientHeight - tip.offsetHeight - 4);
    tip.style.transform = `translate(${Math.max(0, left)}px, ${Math.max(0, top)}px)`;
  }
}
