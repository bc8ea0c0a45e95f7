"""Settings of who hears of what: alarms and the dashboard."""

from dataclasses import dataclass

from infra.settings.checks import SNS_TOPIC, check_arn, check_range

# 29 s, the longest that a call can take, in milliseconds.
_DURATION_MS = range(1, 29_000 + 1)


@dataclass(frozen=True)
class Monitoring:
    """Alarms go to `alarm_topic_arn`, none where it is empty; `alarm_duration_ms` in milliseconds."""

    alarm_topic_arn: str = ""
    alarm_duration_ms: int = 5_000
    dashboard: bool = False

    def __post_init__(self) -> None:
        check_arn("alarmTopicArn", self.alarm_topic_arn, SNS_TOPIC)
        check_range("alarmDurationMs", self.alarm_duration_ms, _DURATION_MS, "milliseconds")
