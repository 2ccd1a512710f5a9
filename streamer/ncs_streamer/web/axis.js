/** The axes of the map: which features they show, and from where to where. */

const EASE_MS = 250;
const LEAST_FILLED = 0.5;
const CANDIDATES = 8;
const WORTH_A_CHANGE = 1.2;

/** A range that follows the values smoothly and stays while they still fill it well. */
export class Axis {
  low = 0;
  high = 1;
  #to = null;

  /** Begin anew: the next `aim` sets the range at once. */
  reset() {
    this.#to = null;
  }

  aim(values) {
    let least = Infinity;
    let most = -Infinity;
    for (const value of values) {
      if (value < least) least = value;
      if (value > most) most = value;
    }
    if (least > most) return;
    if (this.#to) {
      const [low, high] = this.#to;
      const filled = (most - least) / (high - low);
      const inside = least >= low && most <= high;
      if (inside && (filled > LEAST_FILLED || most === least)) return;
    }
    const room = 0.1 * (most - least) || 0.1 * Math.abs(most) || 1;
    const fresh = this.#to === null;
    this.#to = [least - room, most + room];
    if (fresh) [this.low, this.high] = this.#to;
  }

  /** Move towards the aim; return whether it is still on its way. */
  move(elapsedMs) {
    if (!this.#to) return false;
    const share = 1 - Math.exp(-elapsedMs / EASE_MS);
    const [low, high] = this.#to;
    this.low += (low - this.low) * share;
    this.high += (high - this.high) * share;
    const off = Math.abs(this.low - low) + Math.abs(this.high - high);
    if (off > 1e-3 * (high - low)) return true;
    [this.low, this.high] = this.#to;
    return false;
  }

  /** Return the share of the range that lies below a value. */
  share(value) {
    return (value - this.low) / (this.high - this.low);
  }

  /** Return about `n` round numbers in the range, with their texts. */
  ticks(n) {
    const rough = (this.high - this.low) / n;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((m) => m * power >= rough);
    const digits = Math.min(20, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
    const format = new Intl.NumberFormat('en', {
      minimumFractionDigits: digits, maximumFractionDigits: digits,
    });
    const first = Math.ceil(this.low / step);
    const last = Math.floor(this.high / step);
    return Array.from({ length: last - first + 1 }, (_, k) => {
      const value = (first + k) * step || 0; // no -0
      return { value, text: format.format(value) };
    });
  }
}

/**
 * Return the two features to show, the chosen ones where a choice is not null.
 *
 * Of the others those in which the centroids differ most relative to their range and
 * that do not tell the same: the pair with the largest area of variance. The current
 * pair stays unless another is clearly better, so that the map does not flicker.
 */
export function pickFeatures(centroids, chosen, current) {
  const dimension = centroids[0]?.length ?? 0;
  if (dimension < 2) return [0, 1];
  if (!chosen.includes(null)) return chosen;
  const columns = Array.from({ length: dimension }, (_, f) => normalised(centroids, f));
  const spread = columns.map((column) => dot(column, column));
  const byRank = [...spread.keys()].sort((a, b) => spread[b] - spread[a]).slice(0, CANDIDATES);
  const area = (a, b) => spread[a] * spread[b] - dot(columns[a], columns[b]) ** 2;
  const fits = ([a, b]) => a !== b && [a, b].every((f, k) => f < dimension && (chosen[k] ?? f) === f);
  const firsts = chosen[0] === null ? byRank : [chosen[0]];
  const seconds = chosen[1] === null ? columns.keys() : [chosen[1]];
  let best = fits(current) ? current : null;
  let most = best ? WORTH_A_CHANGE * area(...best) : -Infinity;
  for (const b of seconds) {
    for (const a of firsts) {
      if (fits([a, b]) && area(a, b) > most) {
        best = [a, b];
        most = area(a, b);
      }
    }
  }
  return best ?? [chosen[0] ?? 0, chosen[1] ?? 0];
}

function normalised(centroids, feature) {
  const values = centroids.map((centroid) => centroid[feature]);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const least = values.reduce((a, b) => Math.min(a, b));
  const range = values.reduce((a, b) => Math.max(a, b)) - least;
  return values.map((value) => (range > 0 ? (value - mean) / range : 0));
}

function dot(a, b) {
  return a.reduce((sum, value, k) => sum + value * b[k], 0);
}
