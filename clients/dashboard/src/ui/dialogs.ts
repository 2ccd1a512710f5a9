/** What is said in a window of its own: the keys, and questions before what cannot be undone. */

import { byId, make } from './dom';

export const KEYS: readonly (readonly [keys: string, what: string])[] = [
  ['P or space', 'pause, and go on'],
  ['L', 'jump to live'],
  ['← →', 'back and forth in time; with Shift farther'],
  ['2, 3', 'a plane, or space'],
  ['F', 'show everything on the map'],
  ['S', 'draw a lasso around points'],
  ['[ ]', 'the cluster before, the one after'],
  ['Esc', 'let go of cluster, lasso and source'],
  ['T', 'dark, light, as the system'],
  ['?', 'these keys'],
  ['on the map', 'arrows move or turn it, + and − zoom, Shift moves in space'],
];

/** Show the keys. */
export function showKeys(about: string): void {
  const dialog = byId<HTMLDialogElement>('keys');
  const close = make('button', { type: 'button', class: 'primary' }, 'Close');
  close.addEventListener('click', () => dialog.close());
  dialog.replaceChildren(
    make('h2', { id: 'keys-title' }, 'Keys'),
    make(
      'dl',
      {},
      ...KEYS.flatMap(([keys, what]) => [
        make('dt', {}, make('kbd', {}, keys)),
        make('dd', {}, what),
      ]),
    ),
    make('p', { class: 'hint' }, about),
    make('p', { class: 'row' }, close),
  );
  dialog.showModal();
}

/** Ask before something that cannot be undone; resolves with whether it is to be done. */
export function confirm(title: string, text: string, action: string): Promise<boolean> {
  const dialog = byId<HTMLDialogElement>('confirm');
  return new Promise((resolve) => {
    const no = make('button', { type: 'button' }, 'Cancel');
    const yes = make('button', { type: 'button', class: 'danger' }, action);
    dialog.replaceChildren(
      make('h2', { id: 'confirm-title' }, title),
      make('p', {}, text),
      make('p', { class: 'row' }, no, yes),
    );
    no.addEventListener('click', () => dialog.close());
    yes.addEventListener('click', () => dialog.close('yes'));
    dialog.returnValue = '';
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), {
      once: true,
    });
    dialog.showModal();
    no.focus();
  });
}
