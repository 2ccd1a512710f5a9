/** Dark or light: as the system is, until somebody says otherwise. */

import { byId, Kept } from './dom';

type Choice = 'dark' | 'light' | 'system';
const NEXT: Readonly<Record<Choice, Choice>> = {
  system: 'dark',
  dark: 'light',
  light: 'system',
};
const SIGNS: Readonly<Record<Choice, string>> = { system: '◐', dark: '☾', light: '☀' };

const kept = new Kept<{ theme: Choice }>('localStorage', 'ncs-theme');

export class Theme {
  readonly #system = matchMedia('(prefers-color-scheme: dark)');
  #choice: Choice = kept.read().theme ?? 'system';

  constructor(readonly changed: () => void) {
    this.#system.addEventListener('change', () => this.#apply());
    byId('theme').addEventListener('click', () => this.next());
    this.#apply();
  }

  next(): void {
    this.#choice = NEXT[this.#choice];
    kept.write({ theme: this.#choice });
    this.#apply();
  }

  #apply(): void {
    const isDark = this.#choice === 'system' ? this.#system.matches : this.#choice === 'dark';
    document.documentElement.dataset.theme = isDark ? 'dark' : 'light';
    const button = byId('theme');
    button.textContent = SIGNS[this.#choice];
    button.title = `Theme: ${this.#choice}`;
    button.setAttribute('aria-label', `Theme: ${this.#choice}`);
    this.changed();
  }
}
