"""Push readings, follow the stream's events, and draw the clusters.

A notebook in a script: editors with notebooks run it cell by cell (`# %%`), and
`python plot_clusters.py` runs all of it and writes `clusters.png`. Needs
`pip install ./protocol ./clients/python matplotlib`.
"""

# %%
import asyncio
import os

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Ellipse

from ncs_client import AsyncNCSClient, ClusterView
from ncs_protocol.messages import ClusterUpdateEvent, DriftDetectionEvent, Event

URL = os.environ.get("NCS_URL", "http://127.0.0.1:8000")
STREAM = "notebook"
WHAT = ("temperature, °C", "vibration, mm/s")

# %% [markdown]
# ## Readings
#
# Idle, at work, and at work with a worn bearing, which comes later; and now and then a
# reading that fits nowhere.


# %%
def readings(count: int = 4000, seed: int = 7) -> np.ndarray:
    """Return float64 (count, 2)."""
    rng = np.random.default_rng(seed)
    regimes = np.array([[22.0, 0.5], [55.0, 2.0], [63.0, 5.5]])
    spread = np.array([[1.5, 0.12], [3.0, 0.35], [2.5, 0.5]])
    worn = (np.arange(count) > 0.6 * count) & (rng.random(count) < 0.5)
    regime = np.where(worn, 2, rng.integers(2, size=count))
    points = regimes[regime] + spread[regime] * rng.normal(size=(count, 2))
    strange = rng.random(count) < 0.01
    points[strange] = rng.uniform([10.0, 0.0], [80.0, 8.0], (strange.sum(), 2))
    return points


points = readings()

# %% [markdown]
# ## Push and follow
#
# One session does both. The subscription begins with a snapshot and goes on with what
# changes; `ClusterView` keeps an exact copy of the model from it. The events that are
# kept here say what has happened: clusters that came and went, and drift.

# %%
view = ClusterView()
happened: list[Event] = []


async def push_and_follow(points: np.ndarray) -> np.ndarray:
    """Return the cluster of each point at its arrival, -1 for none."""
    given = list[np.ndarray]()
    async with AsyncNCSClient(URL) as client:
        await client.login("admin", "admin123")  # a server on this machine
        before = await client.get_algorithm_status(STREAM)
        expected = before.total_points_processed + len(points)
        async with client.stream(producer="notebook", streams=[STREAM]) as session:
            messages = await session.subscribe(STREAM)
            for begin in range(0, len(points), 100):
                block = points[begin : begin + 100]
                ack = await session.send(block, stream=STREAM, results="full")
                given.append(ack.results.cluster_ids)
            async for message in messages:
                view.apply(message)
                if getattr(message, "delivery", "") == "lossless":
                    happened.append(message)
                if view.status and view.status.total_points_processed >= expected:
                    break
    return np.concatenate(given)


given = asyncio.run(
    push_and_follow(points)
)  # in a notebook: await push_and_follow(...)
print(f"{len(view.clusters)} clusters, {(given < 0).sum()} outliers")
for event in happened:
    if isinstance(event, ClusterUpdateEvent):
        print(f"cluster {event.data.cluster_id} {event.data.change}")
    elif isinstance(event, DriftDetectionEvent):
        print(f"drift, {event.data.severity}: {event.data.recommendation}")

# %% [markdown]
# ## Draw
#
# Every point in the colour that it was given at arrival, the clusters as the model has
# them at the end, and below what happened when.

# %%
colours = plt.get_cmap("tab10")
figure, (above, below) = plt.subplots(
    2, 1, figsize=(8, 8), height_ratios=[4, 1], layout="constrained"
)
for cluster in np.unique(given):
    own = points[given == cluster]
    is_outlier = cluster < 0
    above.scatter(
        *own.T,
        s=14 if is_outlier else 5,
        marker="x" if is_outlier else "o",
        color="0.35" if is_outlier else colours(cluster % 10),
        alpha=0.8 if is_outlier else 0.35,
        linewidths=1 if is_outlier else 0,
        label="outliers" if is_outlier else None,
    )
for cluster in view.clusters.values():
    x, y = cluster.centroid
    width, height = 4 * points[given == cluster.cluster_id].std(axis=0)
    colour = colours(cluster.cluster_id % 10)
    outline = Ellipse((x, y), width, height, fill=False, color=colour, linewidth=2)
    above.add_patch(outline)
    above.annotate(
        f"{cluster.cluster_id}: {cluster.size:,} points",
        (x, y + height / 2),
        xytext=(0, 6),
        textcoords="offset points",
        ha="center",
        weight="bold",
    )
above.set(xlabel=WHAT[0], ylabel=WHAT[1], title=f"Stream “{STREAM}”")
above.legend(loc="lower right")

for cluster in np.unique(given):
    when = np.flatnonzero(given == cluster)
    colour = "0.35" if cluster < 0 else colours(cluster % 10)
    below.plot(when, np.full(len(when), cluster), "|", color=colour, alpha=0.4)
ids = np.unique(given)
names = ["none" if cluster < 0 else str(cluster) for cluster in ids]
below.set(xlabel="point", ylabel="cluster at arrival", yticks=ids, yticklabels=names)

figure.savefig("clusters.png", dpi=110)
