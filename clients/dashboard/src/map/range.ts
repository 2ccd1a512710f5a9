/** What part of an axis is shown: it follows the data smoothly, and stays while they fit. */

const EASE_MS = 250;
const LEAST_FILLED = 0.5;
const ROOM = 0.06; // beside the data, as a share of them

export class Range {
  low = 0;
  high = 1;
  #to: readonly [number, number] | null = null;

  /** Begin anew: the next values set the range at once. */
  reset(): void {
    this.#to = null;
  }

  /**
   * Move on towards a range around the values, with room beside them (a share of the
   * range); return whether it is still on its way.
   *
   * What lies outside is in sight at once, however slowly pictures follow each other:
   * only the room around it is made smoothly.
   */
  follow(least: number, most: number, elapsedMs: number, share = ROOM): boolean {
    if (!Number.isFinite(least) || !Number.isFinite(most)) return false;
    if (!this.#to || !fits(least, most, share, ...this.#to)) {
      const room = share * (most - least) || 0.1 * Math.abs(most) || 1;
      const to = [least - room, most + room] as const;
      if (!this.#to) [this.low, this.high] = to;
      this.#to = to;
    }
    const [low, high] = this.#to;
    this.low = Math.min(this.low, least);
    this.high = Math.max(this.high, most);
    const step = 1 - Math.exp(-elapsedMs / EASE_MS);
    this.low += (low - this.low) * step;
    this.high += (high - this.high) * step;
    return Math.abs(this.low - low) + Math.abs(this.high - high) > 1e-3 * (high - low);
  }
}

/** Whether values lie in a range, not at its very edge, and fill it. */
function fits(least: number, most: number, share: number, low: number, high: number): boolean {
  const edge = (share / 3) * (high - low);
  const isInside = least >= low + edge && most <= high - edge;
  return isInside && (least === most || most - least > LEAST_FILLED * (high - low));
}

/** Return at most about `n` round numbers between two as [value, text]. */
export function ticks(low: number, high: number, n: number): [number, string][] {
  const rough = (high - low) / n;
  if (!(rough > 0)) return [];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= rough * 0.999)!;
  const digits = Math.min(20, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
  const format = new Intl.NumberFormat('en', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, k) => {
    const value = (first + k) * step || 0;
    return [value, format.format(value)];
  });
}
