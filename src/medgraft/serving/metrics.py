"""Figures for Prometheus: how many, how fast, how full. None of them holds anything that a client sent."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

KIND = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SIZES = (1, 2, 4, 8, 16)


class Metrics:
    """What one server counts; another server in the same process counts for itself."""

    def __init__(self) -> None:
        here = self._registry = CollectorRegistry()
        ProcessCollector(registry=here)
        self.requests = Counter(
            "medgraft_requests", "Requests by route and status.", ["route", "status"], registry=here
        )
        self.seconds = Histogram(
            "medgraft_request_seconds",
            "From the head of a request to its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=here,
        )
        self.images = Counter("medgraft_images", "Images by outcome: answered, refused.", ["outcome"], registry=here)
        self.batches = Histogram("medgraft_batch_images", "Images that went together.", buckets=_SIZES, registry=here)

    def watch(self, name: str, meaning: str, value: Callable[[], float]) -> None:
        """Show what ``value`` returns when it is asked for."""
        Gauge(name, meaning, registry=self._registry).set_function(value)

    def text(self) -> bytes:
        """All of them in Prometheus' format."""
        return generate_latest(self._registry)
