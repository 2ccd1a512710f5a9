/** The axes of the map: which features they show, and from where to where. */

const EASE_MS = 250;
const LEAST_FILLED = 0.5;
const WORTH_A_CHANGE = 1.2;

/** A range that follows the values smoothly and stays while they still fill it well. */
export class Axis {
  low = 0;
  high = 1;
  #to = null;

  /** Begin anew: the next values set the range at once. */
  reset() {
    this.#to = null;
  }

  /** Move on towards a range for the values; return whether it is still on its way. */
  follow(values, elapsedMs) {
    if (!values.length) return false;
    const least = values.reduce((a, b) => Math.min(a, b));
    const most = values.reduce((a, b) => Math.max(a, b));
    if (!this.#to || !fits(least, most, ...this.#to)) {
      const room = 0.05 * (most - least) || 0.1 * Math.abs(most) || 1;
      const to = [least - room, most + room];
      if (!this.#to) [this.low, this.high] = to;
      this.#to = to;
    }
    const [low, high] = this.#to;
    const share = 1 - Math.exp(-elapsedMs / EASE_MS);
    this.low += (low - this.low) * share;
    this.high += (high - this.high) * share;
    return Math.abs(this.low - low) + Math.abs(this.high - high) > 1e-3 * (high - low);
  }

  /** Return the share of the range that lies below a value. */
  share(value) {
    return (value - this.low) / (this.high - this.low);
  }

  /** Return at most `n` round numbers in the range as [value, text]. */
  ticks(n) {
    const rough = (this.high - this.low) / n;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((m) => m * power >= rough);
    const digits = Math.min(20, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
    const format = new Intl.NumberFormat('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
    const first = Math.ceil(this.low / step);
    const values = Array.from({ length: Math.floor(this.high / step) - first + 1 }, (_, k) => (first + k) * step || 0);
    return values.map((value) => [value, format.format(value)]);
  }
}

const fits = (least, most, low, high) =>
  least >= low && most <= high && (least === most || most - least > LEAST_FILLED * (high - low));

/**
 * Return the two features to show; a choice that is not null stands.
 *
 * The others are those in which the centroids differ most relative to their range, and
 * differ otherwise than along the other axis: one after the other, the feature that
 * gives the pair the largest area of variance. A feature stays unless another is clearly
 * better, so that the map does not flicker.
 */
export function pickFeatures(centroids, chosen, current) {
  const columns = centroids[0].map((_, feature) => normalised(centroids.map((c) => c[feature])));
  const spread = columns.map((column) => dot(column, column));
  const area = (a, b) => spread[a] * spread[b] - dot(columns[a], columns[b]) ** 2;
  const picked = current.map((feature, axis) => Math.min(chosen[axis] ?? feature, columns.length - 1));
  for (const axis of [0, 1, 0, 1]) {
    if (chosen[axis] !== null) continue;
    const other = picked[1 - axis];
    let most = WORTH_A_CHANGE * area(picked[axis], other) + 1e-9;
    for (let feature = 0; feature < columns.length; feature += 1) {
      if (area(feature, other) <= most) continue;
      most = area(feature, other);
      picked[axis] = feature;
    }
  }
  return picked;
}

/** Return the distances from the mean, in units of the range. */
function normalised(values) {
  const mean = values.reduce((a, b) => a + b) / values.length;
  const range = values.reduce((a, b) => Math.max(a, b)) - values.reduce((a, b) => Math.min(a, b));
  return values.map((value) => (value - mean) / (range || 1));
}

const dot = (a, b) => a.reduce((sum, value, k) => sum + value * b[k], 0);
