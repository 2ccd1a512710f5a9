/** How numbers and times are written, the same everywhere on the page. */

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 });
const day = new Intl.DateTimeFormat('en', { timeStyle: 'medium', hourCycle: 'h23' });

export const NONE = '–';

/** 12,345 */
export const count = (n) => (n === undefined ? NONE : whole.format(n));

/** 12.3K */
export const compact = (n) => (n === undefined ? NONE : short.format(n));

/** 0.87 */
export const ratio = (x) => (x === undefined ? NONE : x.toFixed(2));

/** 1.5 % */
export const percent = (x) => (x === undefined ? NONE : `${(100 * x).toFixed(1)} %`);

/** 4.9 ms */
export const milliseconds = (x) => (x === undefined ? NONE : `${x < 10 ? x.toFixed(1) : count(x)} ms`);

/** 23:59:58, of epoch seconds */
export const clock = (seconds) => day.format(1000 * seconds);

/** 12 s, 3 min, 5 h, 2 d */
export function duration(seconds) {
  if (seconds < 1) return '< 1 s';
  if (seconds < 90) return `${Math.floor(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 129600 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} d`;
}

/** Set the text of an element, touching the page only if it differs. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
