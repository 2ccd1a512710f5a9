"""The engine in a river pipeline: no server, one point at a time.

`NCSClusterer` has river's `learn_one` and `predict_one`. With river installed
(`pip install ./engine river`) it takes its place in pipelines, as here; without it,
it has the same methods.
"""

from collections.abc import Iterator

from ncs_engine.river import NCSClusterer

try:
    from river import preprocessing
except ImportError:
    preprocessing = None


def readings() -> Iterator[tuple[dict[str, float], str]]:
    """Yield readings of a pump, and what it was doing."""
    regimes = [("idle", 20.0, 0.1), ("at work", 55.0, 2.0), ("hot", 80.0, 2.5)]
    for number in range(3000):
        name, temperature, flow = regimes[number // 50 % 3]
        wave = (number * 37 % 100 - 50) / 50  # between -1 and 1
        yield {"temperature": temperature + wave, "flow": flow + 0.1 * wave}, name


def main() -> None:
    """Learn point by point, and say which cluster each regime fell into."""
    model = NCSClusterer()
    if preprocessing is not None:
        model = preprocessing.StandardScaler() | model
    found: dict[str, list[int]] = {}
    for features, name in readings():
        model.learn_one(features)
        found.setdefault(name, []).append(model.predict_one(features))
    for name, clusters in found.items():
        last = clusters[-100:]
        print(f"{name}: cluster {max(set(last), key=last.count)}")


if __name__ == "__main__":
    main()
