"""Clustering inside a service: a breaker, metrics, health; replies that do not raise.

For a while this program asks an address where nobody is, so that
there is something to see.
"""

import asyncio
import os

from ncs_client import AsyncNCSClient, ClusteringService

URL = os.environ.get("NCS_URL", "http://127.0.0.1:8000")
NOBODY = "http://127.0.0.1:9"  # a port on which nothing listens


async def main() -> None:
    """Process orders while the server is there, is gone, and is back."""
    async with AsyncNCSClient(URL) as client:
        await client.login("admin", "admin123")
        key = await client.create_key("orders")
    config = {
        "api_url": URL,
        "api_key": key.api_key,
        "stream": "orders",
        "max_retries": 0,
        "failure_threshold": 2,
        "recovery_timeout": 0.2,
    }
    async with ClusteringService(config) as service:
        reply = await service.process_data([[1.0, 20.0]], {"request_id": "order-1"})
        print("order-1:", reply["success"])

        there, service.client = service.client, AsyncNCSClient(NOBODY, max_retries=0)
        lost = reply
        for number in (2, 3, 4):
            name = f"order-{number}"
            lost = await service.process_data([[2.0, 30.0]], {"request_id": name})
            print(f"{name}: {lost['error_type']}")
        print("breaker:", service.circuit_breaker.current_state)

        await service.client.close()
        service.client = there
        await asyncio.sleep(config["recovery_timeout"])
        # The same batch again, under the key that it had: it counts once.
        about = {"request_id": "order-4", "idempotency_key": lost["idempotency_key"]}
        reply = await service.process_data([[2.0, 30.0]], about)
        print("order-4, again:", reply["success"])
        health = await service.get_service_health()
        print("health:", health["status"], health["metrics"]["counters"])


if __name__ == "__main__":
    asyncio.run(main())
