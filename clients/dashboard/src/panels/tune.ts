/** Change what the engine goes by, and throw the model away; both need the scope `admin`. */

import type { ShadowResult } from 'ncs-javascript-sdk';
import type { Feed, Refusal } from '../feed';
import { confirm } from '../ui/dialogs';
import { byId, make, say } from '../ui/dom';
import { count, percent, ratio } from '../ui/format';

const LOWEST = 0.05;
const HIGHEST = 0.95;
const SHADOW_POINTS = 10_000;

type Outcome = ShadowResult['live'];

/** What is compared; `better` is 1 where more is better, -1 where less is. */
const ROWS: readonly {
  readonly name: string;
  readonly of: (outcome: Outcome) => number;
  readonly text: (value: number) => string;
  readonly better: -1 | 0 | 1;
}[] = [
  { name: 'clusters', of: (o) => o.clusters, text: count, better: 0 },
  { name: 'quality', of: (o) => o.quality, text: ratio, better: 1 },
  { name: 'silhouette', of: (o) => o.silhouette, text: ratio, better: 1 },
  { name: 'stability', of: (o) => o.stability, text: ratio, better: 1 },
  { name: 'outliers', of: (o) => o.outlierRate, text: percent, better: 0 },
  { name: 'came or went', of: (o) => o.changes, text: count, better: -1 },
];

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
  readonly #try = make('button', { type: 'button' }, 'Try on a shadow');
  readonly #apply = make('button', { type: 'button', class: 'primary' }, 'Apply');
  readonly #outcome = make('div', { 'aria-live': 'polite' });
  #stream = '';
  #inForce: number | null = null;
  /** Said where that is not known. */
  #unknown = '';
  #asked = 0;
  /** Whether somebody chose the value: then no answer takes it out of their hands. */
  #isChosen = false;
  #isTrying = false;
  /** What the comparison that is shown is of. */
  #compared = '';

  constructor(readonly feed: Feed) {
    const reset = make('button', { type: 'button', class: 'danger' }, 'Reset the model…');
    reset.addEventListener('click', () => void this.#reset());
    this.#try.addEventListener('click', () => void this.#shadow());
    this.#apply.addEventListener('click', () => void this.#configure());
    this.#slider.addEventListener('input', () => {
      this.#isChosen = true;
      this.#tell();
    });
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
          make('p', { class: 'row' }, this.#try, this.#apply),
          this.#outcome,
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

  /** Ask what is in force on a stream; what somebody has chosen for it stays. */
  async begin(stream: string): Promise<void> {
    if (stream !== this.#stream) {
      this.#stream = stream;
      this.#inForce = null;
      this.#unknown = 'Asking what is in force …';
      this.#isChosen = false;
      say(this.#said, '');
      this.#tell();
    }
    this.#asked += 1;
    const asked = this.#asked;
    let answer: number | null = null;
    let unknown = 'What is in force is not known.';
    try {
      const { base_threshold: threshold } = await this.feed.ask('parameters', { stream });
      if (typeof threshold === 'number') answer = threshold;
    } catch (error) {
      unknown += ` ${(error as Refusal).message}`;
    }
    if (asked !== this.#asked) return;
    this.#inForce = answer;
    this.#unknown = unknown;
    if (answer !== null && !this.#isChosen) this.#slider.value = String(answer);
    this.#tell();
  }

  #tell(): void {
    const inForce = this.#inForce;
    const value = Number(this.#slider.value);
    const isChange = inForce === null ? this.#isChosen : Math.abs(value - inForce) >= 0.005;
    say(this.#chosen, ratio(value));
    say(
      this.#now,
      inForce === null
        ? this.#unknown
        : `In force: ${ratio(inForce)}. Higher makes tighter and more clusters.`,
    );
    this.#apply.disabled = !isChange;
    this.#try.disabled = !isChange || this.#isTrying;
    if (this.#compared !== this.#question) this.#outcome.replaceChildren();
  }

  /** What a comparison would be of. */
  get #question(): string {
    return JSON.stringify([this.#stream, this.#inForce, this.#slider.value]);
  }

  /** Let the server compare, on the last points of the stream, beside the live model. */
  async #shadow(): Promise<void> {
    const question = this.#question;
    const params = { base_threshold: Number(this.#slider.value) };
    const ask = { stream: this.#stream, params, lastPoints: SHADOW_POINTS };
    this.#isTrying = true;
    this.#tell();
    say(this.#said, 'Two engines learn the last points …');
    await this.#do(async () => {
      const result = await this.feed.ask('shadow', ask);
      this.#compared = question;
      this.#outcome.replaceChildren(...tableOf(result));
      return '';
    });
    this.#isTrying = false;
    this.#tell();
  }

  async #configure(): Promise<void> {
    const stream = this.#stream;
    const params = { base_threshold: Number(this.#slider.value) };
    await this.#do(async () => {
      await this.feed.ask('configure', { stream, params });
      if (stream === this.#stream) {
        this.#isChosen &&= Number(this.#slider.value) !== params.base_threshold;
        await this.begin(stream);
      }
      return `Applied from the next batch on: base threshold ${ratio(params.base_threshold)}.`;
    });
  }

  async #reset(): Promise<void> {
    const stream = this.#stream;
    const text = `All clusters of “${stream}” are thrown away, for everybody who follows it. This cannot be undone.`;
    if (!(await confirm(`Reset ${stream}?`, text, 'Reset the model'))) return;
    await this.#do(async () => {
      const { clustersRemoved } = await this.feed.ask('reset', { stream });
      return `Reset: ${count(clustersRemoved)} clusters are gone.`;
    });
  }

  async #do(act: () => Promise<string>): Promise<void> {
    try {
      say(this.#said, await act());
    } catch (error) {
      say(this.#said, (error as Refusal).message);
    }
  }
}

/** Return the comparison as a table, with what it is of. */
function tableOf(result: ShadowResult): HTMLElement[] {
  const { live, points, complete } = result;
  const tried = result.configurations[0]!;
  const head = ['', 'in force', 'tried'].map((text) => make('th', { scope: 'col' }, text));
  const rows = ROWS.map(({ name, of, text, better }) => {
    const gain =
      text(of(tried)) === text(of(live)) ? 0 : Math.sign(of(tried) - of(live)) * better;
    const kind = gain > 0 ? 'good' : gain < 0 ? 'worse' : '';
    const cell = make('td', { class: kind }, text(of(tried)));
    return make(
      'tr',
      {},
      make('th', { scope: 'row' }, name),
      make('td', {}, text(of(live))),
      cell,
    );
  });
  const short = complete ? '' : ' Its time was used up before the last point.';
  const about = `On the last ${count(points)} points, beside the live model, which did not notice. Assignments agree to ${percent(tried.agreement)}.${short}`;
  return [
    make('table', {}, make('thead', {}, make('tr', {}, ...head)), make('tbody', {}, ...rows)),
    make('p', { class: 'hint' }, about),
  ];
}
