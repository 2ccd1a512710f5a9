/** The worker as the page sees it: questions with answers, and news as they come. */

import type { FromWorker, Question, Questions, ToWorker } from './worker/bridge';

/** A question that was refused; `status` is that of HTTP, or 0 if there was no answer. */
export class Refusal extends Error {
  constructor(
    readonly code: string,
    readonly status: number,
    detail: string,
    readonly retryAfter: number | null,
  ) {
    super(detail);
  }
}

type Waiting = { resolve: (value: never) => void; reject: (error: Refusal) => void };

export class Feed {
  readonly #worker = new Worker(new URL('./worker/session.worker.ts', import.meta.url), {
    type: 'module',
  });
  readonly #waiting = new Map<number, Waiting>();
  #number = 0;

  constructor(told: (message: FromWorker) => void) {
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if (data.type !== 'answer' && data.type !== 'refusal') {
        told(data);
        return;
      }
      const waiting = this.#waiting.get(data.id);
      this.#waiting.delete(data.id);
      if (data.type === 'answer') waiting?.resolve(data.value as never);
      else waiting?.reject(new Refusal(data.code, data.status, data.detail, data.retryAfter));
    };
  }

  tell(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  /** @throws Refusal */
  ask<Q extends Question>(what: Q, ask: Questions[Q]['ask']): Promise<Questions[Q]['answer']> {
    this.#number += 1;
    const id = this.#number;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.tell({ do: 'ask', id, what, with: ask });
    });
  }
}
