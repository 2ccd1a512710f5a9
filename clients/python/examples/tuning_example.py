"""Find parameters for a stream without touching it, and apply them if it pays."""

import os

import numpy as np

from ncs_client import AlgorithmTuner, NCSClient

URL = os.environ.get("NCS_URL", "http://127.0.0.1:8000")


def main() -> None:
    """Compare three presets, then look through a grid."""
    rng = np.random.default_rng(3)
    centres = rng.uniform(-20, 20, size=(6, 4))
    points = centres[rng.integers(6, size=4000)] + rng.normal(size=(4000, 4))
    with NCSClient(URL) as client:
        client.login("admin", "admin123")
        client.process_points(points, stream="tuned")
        tuner = AlgorithmTuner(client, "tuned")
        names = ("real_time_low_latency", "high_accuracy_research", "streaming_iot")
        configurations = [tuner.optimize_for_use_case(name) for name in names]
        # None: on the stream's own last points
        found = tuner.benchmark_configurations(None, configurations)
        for name, tried in zip(names, found["all_results"].values(), strict=True):
            told = tried["metrics"]
            print(
                f"{name}: {told['cluster_count']} clusters,"
                f" quality {told['algorithm_quality']:.2f},"
                f" {told['throughput']:,.0f} points/s"
            )
        print(found["recommendation"])

        targets = {"min_quality": 0.5, "max_processing_time": 2.0}
        best = tuner.adaptive_tuning(None, targets)
        print(f"best of the grid: {best['best_configuration']}")
        print(best["recommendation"])
        if best["recommendation"].startswith("Use"):
            tuner.apply(best["best_configuration"])


if __name__ == "__main__":
    main()
