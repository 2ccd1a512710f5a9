/** Change what the engine goes by, and throw the model away; both need the scope `admin`. */

import type { Feed, Refusal } from '../feed';
import { confirm } from '../ui/dialogs';
import { byId, make, say } from '../ui/dom';
import { count, ratio } from '../ui/format';

const LOWEST = 0.05;
const HIGHEST = 0.95;

export class Tune {
  readonly #slider = make('input', {
    type: 'range',
    min: LOWEST,
    max: HIGHEST,
    step: 0.01,
    'aria-label': 'Base threshold',
  });
  readonly #chosen = make('output');
  readonly #now = make('p', { class: 'hint' });
  readonly #said = make('p', { role: 'status' });
  readonly #apply = make('button', { type: 'button', class: 'primary' }, 'Apply');
  #stream = '';
  #inForce: number | null = null;

  constructor(readonly feed: Feed) {
    const reset = make('button', { type: 'button', class: 'danger' }, 'Reset the model…');
    reset.addEventListener('click', () => void this.#reset());
    this.#apply.addEventListener('click', () => void this.#configure());
    this.#slider.addEventListener('input', () => this.#tell());
    this.#slider.addEventListener('keydown', (event) => event.stopPropagation());
    byId('tune').append(
      make(
        'div',
        {},
        make(
          'fieldset',
          {},
          make('legend', {}, 'Base threshold'),
          make('p', { class: 'row' }, this.#slider, this.#chosen),
          this.#now,
          make('p', { class: 'row' }, this.#apply),
        ),
        make(
          'fieldset',
          {},
          make('legend', {}, 'Model'),
          make(
            'p',
            { class: 'hint' },
            'A reset throws all clusters of the stream away. Offsets and ids go on.',
          ),
          make('p', { class: 'row' }, reset),
        ),
        this.#said,
      ),
    );
  }

  /** Ask what is in force on a stream. */
  async begin(stream: string): Promise<void> {
    this.#stream = stream;
    try {
      const { base_threshold: threshold } = await this.feed.ask('parameters', { stream });
      this.#inForce = typeof threshold === 'number' ? threshold : null;
      if (this.#inForce !== null) this.#slider.value = String(this.#inForce);
      say(this.#said, '');
    } catch (error) {
      this.#inForce = null;
      say(this.#said, (error as Refusal).message);
    }
    this.#tell();
  }

  #tell(): void {
    const value = Number(this.#slider.value);
    say(this.#chosen, ratio(value));
    const isSame = this.#inForce !== null && Math.abs(value - this.#inForce) < 0.005;
    say(
      this.#now,
      this.#inForce === null
        ? 'What is in force is not known.'
        : `In force: ${ratio(this.#inForce)}. Higher makes tighter and more clusters.`,
    );
    this.#apply.disabled = isSame || this.#inForce === null;
  }

  async #configure(): Promise<void> {
    const params = { base_threshold: Number(this.#slider.value) };
    await this.#try(async () => {
      await this.feed.ask('configure', { stream: this.#stream, params });
      await this.begin(this.#stream);
      return `Applied from the next batch on: base threshold ${ratio(params.base_threshold)}.`;
    });
  }

  async #reset(): Promise<void> {
    const stream = this.#stream;
    const text = `All clusters of “${stream}” are thrown away, for everybody who follows it. This cannot be undone.`;
    if (!(await confirm(`Reset ${stream}?`, text, 'Reset the model'))) return;
    await this.#try(async () => {
      const { clustersRemoved } = await this.feed.ask('reset', { stream });
      return `Reset: ${count(clustersRemoved)} clusters are gone.`;
    });
  }

  async #try(act: () => Promise<string>): Promise<void> {
    try {
      say(this.#said, await act());
    } catch (error) {
      say(this.#said, (error as Refusal).message);
    }
  }
}
