"""Which of a version's formats starts and answers fastest, as the proof measured it."""

from collections.abc import Mapping

from model_registry.publish.proof import Speed
from model_runtime.manifest import FormatName


def fastest(speeds: Mapping[FormatName, Speed]) -> str:
    """What the publisher is told of the formats that fit into a function: two or more, the quickest to start first."""
    ordered = sorted(speeds, key=lambda name: speeds[name].start)
    told = "; ".join(_told(name, speeds[name]) for name in ordered)
    deploy = f"`pulumi config set format {ordered[0]}` deploys {ordered[0]}"
    return f"on this machine {told}: {deploy}" if ordered[0] != "joblib" else f"on this machine {told}"


def _told(name: FormatName, speed: Speed) -> str:
    return f"{name} starts in {speed.start:.2f} s and answers a row in {speed.answer * 1000:.2f} ms"
