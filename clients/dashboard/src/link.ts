/**
 * What the address says after `#`: `stream`, `cluster`, `view` (`2d` or `3d`), `axes`
 * (`main`, or coordinates as `0,4`), `tab`; and `key`, which is taken out at once.
 */

import type { Axes } from './worker/bridge';

export interface Link {
  readonly stream: string | null;
  readonly cluster: number | null;
  readonly axes: Axes;
  readonly tab: string | null;
}

export const MAX_COORDINATE = 9999;

/** Return what a fragment asks for; what makes no sense is left out. */
export function parse(fragment: string): Link & { readonly key: string | null } {
  const fields = new URLSearchParams(fragment.replace(/^#/, ''));
  const cluster = fields.get('cluster') ?? '';
  return {
    key: fields.get('key') || null,
    stream: fields.get('stream') || null,
    cluster: /^\d{1,15}$/.test(cluster) ? Number(cluster) : null,
    axes: axesOf(fields.get('view'), fields.get('axes')),
    tab: fields.get('tab') || null,
  };
}

function axesOf(view: string | null, axes: string | null): Axes {
  const many = view === '3d' ? 3 : 2;
  const chosen = (axes ?? '')
    .split(',')
    .map((text) => (/^\d{1,4}$/.test(text) ? Number(text) : -1));
  const isGood = chosen.every((one) => one >= 0 && one <= MAX_COORDINATE);
  return isGood && (chosen.length === 2 || chosen.length === 3) ? chosen : many;
}

/** Return the fragment that asks for it. */
export function format({ stream, cluster, axes, tab }: Link): string {
  const fields = new URLSearchParams();
  if (stream !== null) fields.set('stream', stream);
  if (cluster !== null) fields.set('cluster', String(cluster));
  const many = typeof axes === 'number' ? axes : axes.length;
  if (many === 3) fields.set('view', '3d');
  if (typeof axes !== 'number') fields.set('axes', axes.join());
  if (tab !== null && tab !== 'clusters') fields.set('tab', tab);
  return `#${fields.toString().replaceAll('%2C', ',')}`;
}
