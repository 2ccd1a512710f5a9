/** The credential and the form that asks for it; kept in this tab's session only. */

import { byId, Kept, say } from './ui/dom';

const kept = new Kept<{ key: string }>('sessionStorage', 'ncs');
let held: string | undefined = kept.read().key;

/** Return the credential, if there is one. */
export const credential = (): string | undefined => held;

/** Keep a credential; undefined forgets it. */
export function keepCredential(key: string | undefined): void {
  held = key;
  kept.write({ ...(key !== undefined && { key }) });
}

/** Return when a token ends in epoch seconds; undefined for an API key. */
export function endOf(token: string): number | undefined {
  try {
    const [, payload = ''] = token.split('.');
    const text = atob(payload.replaceAll('-', '+').replaceAll('_', '/'));
    const { exp } = JSON.parse(text) as { exp?: unknown };
    return typeof exp === 'number' ? exp : undefined;
  } catch {
    return undefined;
  }
}

/** What a refused login says. */
export interface LoginRefusal {
  readonly status: number;
  readonly retryAfter: number | null;
}

export class LoginForm {
  readonly #form = byId<HTMLFormElement>('login');
  readonly #line = byId('login-message');

  /** `logIn` exchanges a password for a token; `done` takes the credential. */
  constructor(
    logIn: (username: string, password: string) => Promise<string>,
    done: (credential: string) => void,
  ) {
    this.#form.addEventListener('submit', async (event) => {
      event.preventDefault();
      say(this.#line, '');
      const button = this.#form.querySelector('button')!;
      const { username, password, key } = this.#fields();
      if (key) {
        done(key);
        return;
      }
      if (!username || !password) {
        this.show('Type a user name and a password, or a key.');
        return;
      }
      button.disabled = true;
      try {
        done(await logIn(username, password));
      } catch (error) {
        this.show(reasonOf(error as LoginRefusal));
        this.#input('password').select();
      } finally {
        button.disabled = false;
      }
    });
  }

  /** Show the form, with a reason. */
  show(reason: string): void {
    say(this.#line, reason);
    this.#form.hidden = false;
    this.#input(this.#fields().username ? 'password' : 'username').focus();
  }

  hide(): void {
    this.#form.reset();
    this.#form.hidden = true;
  }

  #input(name: string): HTMLInputElement {
    return this.#form.elements.namedItem(name) as HTMLInputElement;
  }

  #fields() {
    const [username, password, key] = ['username', 'password', 'key'].map(
      (name) => this.#input(name).value,
    ) as [string, string, string];
    return { username: username.trim(), password, key: key.trim() };
  }
}

function reasonOf({ status, retryAfter }: LoginRefusal): string {
  if (status === 401) return 'The user name or the password is wrong.';
  if (status === 429) return `Too many attempts. Try again in ${retryAfter ?? 'a few'} s.`;
  return status
    ? `The server cannot log anybody in now (${status}).`
    : 'The server cannot be reached.';
}
