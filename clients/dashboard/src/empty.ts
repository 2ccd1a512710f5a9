/** What is said where the map has nothing to show: why, and how points come to a stream. */

import type { Seen } from './sight';
import { byId, make, say } from './ui/dom';

export class Empty {
  readonly #place = byId('empty');
  readonly #title = make('strong');
  readonly #how = make('p', {}, 'Push points to it, with a key of the scope “write”:');
  readonly #command = make('code');

  constructor() {
    this.#place.append(this.#title, this.#how, this.#command);
  }

  show(stream: string, { marks, isLive }: Seen): void {
    this.#place.hidden = marks.length > 0;
    if (marks.length > 0) return;
    this.#how.hidden = this.#command.hidden = !isLive;
    if (!isLive) {
      say(this.#title, 'Nothing is known of that time.');
      return;
    }
    say(this.#title, `The stream “${stream}” has no clusters yet.`);
    const body = JSON.stringify({ stream, points: [[1, 2]] }).replaceAll("'", "'\\''");
    const url = new URL('api/v1/process_points', location.href.replace(/[?#].*/, ''));
    say(
      this.#command,
      `curl -H "X-API-Key: $NCS_API_KEY" -H "Content-Type: application/json" \\\n  -d '${body}' ${url}`,
    );
  }
}
