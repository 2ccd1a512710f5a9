/** The keys that work everywhere on the page; a field that takes text takes them itself. */

export type Keys = Readonly<Record<string, () => void>>;

export function listen(keys: Keys): void {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target as Element;
    if (target.closest('input, select, textarea, dialog[open]')) return;
    if (event.key === ' ' && target.closest('button')) return;
    const key =
      event.shiftKey && event.key.startsWith('Arrow') ? `Shift${event.key}` : event.key;
    const act = keys[key] ?? keys[key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
