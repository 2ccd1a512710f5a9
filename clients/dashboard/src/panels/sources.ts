/** Who pushes to the stream and who follows it: how far, how fast, how late, how well. */

import type { GatewayPresence, Presence } from 'ncs-javascript-sdk';
import { byId, make, say } from '../ui/dom';
import { bytes, compact, count, duration, many, milliseconds, NONE } from '../ui/format';

const COLUMNS: readonly [string, string, (gateway: GatewayPresence, now: number) => string][] =
  [
    [
      'state',
      'connected, gone, or connecting again and again',
      (g, now) =>
        g.is_flapping
          ? `flapping (${g.connects})`
          : g.is_connected
            ? 'connected'
            : `gone ${duration(now - g.since)}`,
    ],
    ['points/s', 'over about ten seconds', (g) => compact(g.points_per_second)],
    ['lag', 'how old its newest point was when it was applied', (g) => milliseconds(g.lag_ms)],
    ['last seq', 'of its last batch that was applied', (g) => count(g.last_seq)],
    [
      'spool',
      'batches on its disk that wait for their acks',
      (g) =>
        g.report?.spool_batches === undefined
          ? NONE
          : `${count(g.report.spool_batches)}, ${bytes(g.report.spool_bytes)}`,
    ],
    [
      'oldest',
      'how long the oldest of them has waited',
      (g) => (g.report?.oldest_age_s === undefined ? NONE : duration(g.report.oldest_age_s)),
    ],
    [
      'clock',
      'the server’s clock minus the gateway’s',
      (g) =>
        g.report?.clock_offset_s === undefined
          ? NONE
          : `${(1000 * g.report.clock_offset_s).toFixed(0)} ms`,
    ],
  ];

export class Sources {
  readonly #body = make('tbody');
  readonly #line = make('p', { class: 'line' });
  readonly #note = make(
    'p',
    { class: 'hint' },
    'Choose a source to see what it does: clusters that its points changed last, with their points, and the events that they brought about. The rest is dimmed.',
  );

  /** `chosen` is called with the source that is to be seen alone, or null. */
  constructor(readonly chosen: (source: string | null) => void) {
    const heads = COLUMNS.map(([name, hint]) =>
      make('th', { scope: 'col', title: hint }, name),
    );
    const head = make('tr', {}, make('th', { scope: 'col' }, 'source'), ...heads);
    byId('sources').append(
      this.#line,
      make('table', {}, make('thead', {}, head), this.#body),
      this.#note,
    );
  }

  show(presence: Presence | null, now: number, chosen: string | null): void {
    const gateways = presence?.gateways ?? [];
    const left = presence?.left_out ? `; ${count(presence.left_out)} more are not listed` : '';
    say(
      this.#line,
      presence
        ? `${many(presence.producers, 'source')} connected, ${many(presence.subscribers, 'reader')}${left}`
        : 'nothing was told of sources yet',
    );
    while (this.#body.rows.length > gateways.length) this.#body.rows[0]!.remove();
    while (this.#body.rows.length < gateways.length) this.#body.append(this.#makeRow());
    gateways.forEach((gateway, k) => {
      const row = this.#body.rows[k]!;
      const [first, ...cells] = row.cells;
      const button = first!.firstElementChild as HTMLButtonElement;
      say(button, gateway.producer);
      button.setAttribute('aria-pressed', String(gateway.producer === chosen));
      row.className = gateway.is_flapping ? 'bad' : gateway.is_connected ? 'good' : 'gone';
      cells.forEach((cell, c) => {
        say(cell, COLUMNS[c]![2](gateway, now));
      });
    });
  }

  #makeRow(): HTMLTableRowElement {
    const button = make('button', { type: 'button', 'aria-pressed': 'false' });
    button.addEventListener('click', () => {
      const isChosen = button.getAttribute('aria-pressed') === 'true';
      this.chosen(isChosen ? null : button.textContent);
    });
    const row = make('tr', {}, make('th', { scope: 'row' }, button));
    for (const _ of COLUMNS) row.insertCell();
    return row;
  }
}
