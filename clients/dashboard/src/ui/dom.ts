/** The few things that are done with the document everywhere. */

/** Return the element with an id that the page surely has. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as T;
}

type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** Make an element; text is never markup. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, '');
    else if (value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  element.append(...children);
  return element;
}

/** Set the text of an element, touching the page only if it differs. */
export function say(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Call at most once a frame, however often it is asked for. */
export function oncePerFrame(draw: (now: number) => void): () => void {
  let asked = 0;
  return () => {
    if (asked) return;
    asked = requestAnimationFrame((now) => {
      asked = 0;
      draw(now);
    });
  };
}

/** Save a text as a file of the person who looks at the page. */
export function download(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  make('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** What a `localStorage` or `sessionStorage` keeps; a browser that keeps nothing is no error. */
export class Kept<T extends object> {
  constructor(
    readonly storage: 'localStorage' | 'sessionStorage',
    readonly place: string,
  ) {}

  read(): Partial<T> {
    try {
      return (JSON.parse(globalThis[this.storage].getItem(this.place) ?? '{}') ??
        {}) as Partial<T>;
    } catch {
      return {};
    }
  }

  write(value: Partial<T>): void {
    try {
      globalThis[this.storage].setItem(this.place, JSON.stringify(value));
    } catch {
      // It is asked for again after a reload.
    }
  }
}
