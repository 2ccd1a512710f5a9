/**
 * How a cluster looks, by its id and for ever.
 *
 * The six colours were chosen by search: as far apart as can be also for eyes without
 * one kind of cone, and visible on white and on black. Ids go on, so the outline and
 * the filling change with each round: 36 looks, and the id is written on every one.
 */

const COLOURS = ['#245fdb', '#f47636', '#5bb2a2', '#b32284', '#c586fa', '#71631f'];
const OUTLINES = ['solid', 'dashed', 'dotted'];

/** Return {colour, outline, filled} of a cluster. */
export function look(id) {
  const round = Math.floor(id / COLOURS.length);
  return {
    colour: COLOURS[id % COLOURS.length],
    outline: OUTLINES[round % OUTLINES.length],
    filled: Math.floor(round / OUTLINES.length) % 2 === 0,
  };
}
