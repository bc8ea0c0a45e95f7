"""What watches a model: alarms and dashboard, where the stack has them."""

import pulumi

from infra.alarms import ModelAlarms
from infra.dashboard import ModelDashboard
from infra.function import ModelFunction
from infra.settings import Settings
from model_runtime.manifest import Manifest


def watch(
    name: str,
    settings: Settings,
    manifest: Manifest,
    function: ModelFunction,
    *,
    api_name: pulumi.Output[str] | None,
    opts: pulumi.ResourceOptions,
) -> None:
    """Declare the alarms and the dashboard that the settings ask for."""
    if settings.alarm_topic_arn:
        ModelAlarms(
            f"{name}-alarms",
            settings=settings,
            function_name=function.function_name,
            api_name=api_name,
            opts=opts,
        )
    if settings.dashboard:
        ModelDashboard(
            f"{name}-dashboard",
            settings=settings,
            signature=manifest.signature,
            function_arn=function.function_arn,
            log_group=function.log_group,
            api_name=api_name,
            opts=opts,
        )
