/**
 * The worker: has the session with the server, decodes what comes, keeps an exact copy of
 * the model, and hands the page what changed, when the page has time for it.
 */

import {
  ConnectionEndedError,
  GapError,
  NCSClient,
  NCSError,
  type NCSStream,
  RefusedError,
  type Subscription,
  type TokenReason,
} from 'ncs-javascript-sdk';
import type { FromWorker, Question, Questions, ToWorker, Wanted } from './bridge';
import { Gathering } from './gathering';

const BATCH_MS = 50;
const EVENT_CREDIT = 4 << 20;
const CREDENTIAL_CODES = [4401, 4500, 4501, 4502, 4503];
const BASE_URL = new URL('../', self.location.href).href;

type Ask<Q extends Question> = Questions[Q]['ask'];

class Session {
  #client: NCSClient;
  #stream: NCSStream | null = null;
  #token = '';
  #renewed: ((token: string) => void) | null = null;
  #isVisible = true;
  #watchers = new Set<() => void>();
  #following: { stream: string; wanted: Wanted; follow: number } | null = null;
  #subscription: Subscription | null = null;
  #gathering: Gathering | null = null;
  #timer = 0;
  #isTaken = true;

  constructor(readonly say: (message: FromWorker, transfer?: Transferable[]) => void) {
    this.#client = this.#makeClient();
  }

  take(message: ToWorker): void {
    switch (message.do) {
      case 'open':
        void this.#open(message.token);
        break;
      case 'renew':
        this.#token = message.token;
        this.#renewed?.(message.token);
        this.#renewed = null;
        break;
      case 'close':
        this.#close();
        break;
      case 'follow':
        this.#following = message;
        this.#follow();
        break;
      case 'look':
        this.#isVisible = message.isVisible;
        for (const changed of this.#watchers) changed();
        break;
      case 'retry':
        this.#stream?.retryNow();
        break;
      case 'taken':
        this.#isTaken = true;
        this.#schedule();
        break;
      case 'ask':
        void this.#answer(message.id, message.what, message.with);
    }
  }

  #makeClient(): NCSClient {
    const session = this;
    return new NCSClient({
      baseUrl: BASE_URL,
      token: (reason) => this.#credential(reason),
      surroundings: {
        get isOnline() {
          return navigator.onLine;
        },
        get isVisible() {
          return session.#isVisible;
        },
        watch: (changed) => {
          this.#watchers.add(changed);
          self.addEventListener('online', changed);
          self.addEventListener('offline', changed);
          return () => {
            this.#watchers.delete(changed);
            self.removeEventListener('online', changed);
            self.removeEventListener('offline', changed);
          };
        },
      },
    });
  }

  /** A token that expires is replaced once somebody has logged in again. */
  #credential(reason: TokenReason): string | Promise<string> {
    if (reason !== 'expiring') return this.#token;
    this.say({ type: 'expiring' });
    return new Promise((resolve) => {
      this.#renewed = resolve;
    });
  }

  async #open(token: string): Promise<void> {
    this.#close();
    this.#token = token;
    const stream = await this.#client.startStreaming({
      lazy: true,
      connectionId: 'dashboard',
      eventCredit: EVENT_CREDIT,
      pauseWhenHidden: true,
      onError: (error) => this.say({ type: 'trouble', detail: error.message }),
    });
    this.#stream = stream;
    stream.addEventListener('state', ({ detail: { state, reason } }) => {
      // Not at once: until all effects of the step are done the deadline is another.
      queueMicrotask(() =>
        this.say({ type: 'connection', state, reason, retryInMs: stream.retryInMs }),
      );
    });
    stream.addEventListener('welcome', ({ detail: { welcome } }) => {
      const ahead = welcome.server_time - Date.now() / 1000;
      this.say({ type: 'welcome', ahead });
    });
    stream.addEventListener('lagging', ({ detail: { skipped, behindMs } }) => {
      this.say({ type: 'behind', skipped, ms: behindMs });
    });
    stream.addEventListener('caughtup', ({ detail: { skipped } }) => {
      this.say({ type: 'caughtup', skipped });
    });
    stream.addEventListener('close', ({ detail: { error } }) => {
      const code = error instanceof ConnectionEndedError ? (error.closeCode ?? 0) : 0;
      const isCredential = CREDENTIAL_CODES.includes(code);
      if (this.#stream !== stream || (!error && !isCredential)) return;
      this.say({ type: 'ended', isCredential, reason: error?.message ?? '' });
    });
    const { state } = stream;
    this.say({ type: 'connection', state, reason: '', retryInMs: null });
    this.#follow();
  }

  #close(): void {
    const stream = this.#stream;
    this.#stream = null;
    this.#subscription = null;
    this.#gathering = null;
    void stream?.stop({ timeoutMs: 0 });
  }

  #follow(): void {
    if (!this.#stream || !this.#following) return;
    const { stream, wanted, follow } = this.#following;
    this.#subscription?.close();
    const dimensions = typeof wanted.axes === 'number' ? wanted.axes : [...wanted.axes];
    const { maxPoints, maxHz } = wanted;
    this.#subscription = this.#stream.subscribe({
      stream,
      events: [
        'cluster_update',
        'drift_detection',
        'algorithm_status',
        'performance_metrics',
        'points_sample',
        'presence',
      ],
      maxHz: 10,
      sample: { dimensions, maxPoints, maxHz },
    });
    this.#gathering = new Gathering(follow);
    void this.#read(this.#subscription, this.#gathering);
  }

  async #read(subscription: Subscription, gathering: Gathering): Promise<void> {
    try {
      for await (const event of subscription) {
        if (this.#gathering !== gathering) return;
        gathering.add(event);
        this.#schedule();
      }
    } catch (error) {
      if (this.#gathering !== gathering || error instanceof ConnectionEndedError) return;
      if (error instanceof GapError) this.#follow();
      else this.say({ type: 'trouble', detail: (error as Error).message });
    }
  }

  #schedule(): void {
    if (this.#timer || !this.#isTaken || !this.#gathering || this.#gathering.isEmpty) return;
    this.#timer = self.setTimeout(() => {
      this.#timer = 0;
      const gathering = this.#gathering;
      if (!gathering || gathering.isEmpty) return;
      const gaps = this.#subscription?.gaps ?? 0;
      const [batch, transfer] = gathering.take(performance.now() / 1000, gaps);
      this.#isTaken = false;
      this.say(batch, transfer as Transferable[]);
    }, BATCH_MS);
  }

  async #answer(id: number, what: Question, ask: unknown): Promise<void> {
    try {
      this.say({ type: 'answer', id, value: await this.#ask(what, ask) });
    } catch (error) {
      const refused = error instanceof RefusedError ? error : null;
      this.say({
        type: 'refusal',
        id,
        code: refused?.code ?? (error instanceof NCSError ? error.name : 'error'),
        status: refused?.statusCode ?? 0,
        detail: (error as Error).message,
        retryAfter: refused?.retryAfter ?? null,
      });
    }
  }

  async #ask(what: Question, ask: unknown): Promise<unknown> {
    const client = this.#client;
    switch (what) {
      case 'login': {
        const { username, password } = ask as Ask<'login'>;
        return await new NCSClient({ baseUrl: BASE_URL, maxRetries: 0 }).login(
          username,
          password,
        );
      }
      case 'streams':
        return await client.listStreams();
      case 'parameters':
        return await client.getParameters(ask as Ask<'parameters'>);
      case 'configure': {
        const { stream, params } = ask as Ask<'configure'>;
        return await client.configure(params, { stream });
      }
      case 'shadow':
        return await client.shadow(ask as Ask<'shadow'>);
      case 'reset':
        return await client.resetAlgorithm(ask as Ask<'reset'>);
    }
  }
}

const session = new Session((message, transfer = []) => {
  (self as unknown as Worker).postMessage(message, transfer);
});
self.onmessage = ({ data }: MessageEvent<ToWorker>) => session.take(data);
