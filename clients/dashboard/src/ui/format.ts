/** How numbers and times are written, the same everywhere on the page. */

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 });
const figures = new Intl.NumberFormat('en', {
  maximumSignificantDigits: 4,
  useGrouping: false,
});
const day = new Intl.DateTimeFormat('en', { timeStyle: 'medium', hourCycle: 'h23' });

export const NONE = '–';

type Maybe = number | null | undefined;
const isNone = (x: Maybe): x is null | undefined =>
  x === undefined || x === null || Number.isNaN(x);

/** 12,345 */
export const count = (n: Maybe): string => (isNone(n) ? NONE : whole.format(n));

/** 12.3K */
export const compact = (n: Maybe): string => (isNone(n) ? NONE : short.format(n));

/** 12.34; what would be long is written as 6.94e-18 */
export const value = (x: Maybe): string => {
  if (isNone(x)) return NONE;
  const size = Math.abs(x);
  return size === 0 || (size >= 1e-4 && size < 1e7) ? figures.format(x) : x.toExponential(2);
};

/** 0.87 */
export const ratio = (x: Maybe): string => (isNone(x) ? NONE : x.toFixed(2));

/** 1.5 % */
export const percent = (x: Maybe): string => (isNone(x) ? NONE : `${(100 * x).toFixed(1)} %`);

/** 4.9 ms */
export const milliseconds = (x: Maybe): string => {
  if (isNone(x)) return NONE;
  return x >= 9999.5 ? duration(x / 1000) : `${x < 10 ? x.toFixed(1) : count(x)} ms`;
};

/** 1.2 MB */
export const bytes = (n: Maybe): string => {
  if (isNone(n)) return NONE;
  if (n < 1000) return `${n} B`;
  return n < 1e6 ? `${(n / 1e3).toFixed(1)} kB` : `${(n / 1e6).toFixed(1)} MB`;
};

/** 23:59:58, of epoch seconds */
export const clock = (seconds: number): string => day.format(1000 * seconds);

/** 12 s, 3 min, 5 h, 2 d */
export function duration(seconds: number): string {
  if (seconds < 1) return '< 1 s';
  if (seconds < 90) return `${Math.floor(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 129_600
    ? `${Math.round(seconds / 3600)} h`
    : `${Math.round(seconds / 86_400)} d`;
}

/** 1 cluster, 2 clusters */
export const many = (n: number, what: string): string =>
  `${count(n)} ${what}${n === 1 ? '' : 's'}`;
