/** What sets a cluster apart: how far its centroid is from the others', dimension by dimension. */

export interface Part {
  readonly dimension: number;
  readonly value: number;
  /** Mean of the other clusters, by size. */
  readonly others: number;
  /** Distance from that mean, in deviations among the other clusters if there are several. */
  readonly far: number;
}

export interface Weighed {
  readonly centroid?: readonly number[];
  readonly size: number;
}

/** Return each dimension of a cluster, compared with the other clusters; farthest first. */
export function apart(cluster: Weighed, others: readonly Weighed[]): Part[] {
  const { centroid = [] } = cluster;
  const alike = others.filter((other) => other.centroid?.length === centroid.length);
  const weight = alike.reduce((sum, { size }) => sum + size, 0);
  const parts = centroid.map((value, dimension): Part => {
    if (weight === 0) return { dimension, value, others: Number.NaN, far: 0 };
    const mean = alike.reduce((sum, o) => sum + o.size * o.centroid![dimension]!, 0) / weight;
    const square = alike.reduce(
      (sum, o) => sum + o.size * (o.centroid![dimension]! - mean) ** 2,
      0,
    );
    const off = value - mean;
    // A single other cluster has no deviation: how far it is of the larger value, then.
    const larger = Math.max(Math.abs(value), Math.abs(mean)) || 1;
    const deviation = alike.length > 1 ? Math.sqrt(square / weight) || larger : larger;
    return { dimension, value, others: mean, far: off / deviation };
  });
  return parts.sort((a, b) => Math.abs(b.far) - Math.abs(a.far) || a.dimension - b.dimension);
}
