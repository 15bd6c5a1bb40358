"""A plain webhook: everything that is known of an alert as JSON, for whoever has a receiver of their own.

It is ours; Flagger has none. Keys are added in later versions, and none changes its meaning. `id` is the same whenever
the same alert is sent.
"""

from typing import Any

from agent.providers.alerts.message import Message
from agent.providers.alerts.port import ChatFormat, Destination
from canary.run.moments import write_second


class Webhook(ChatFormat):
    """Implements `ChatFormat`."""

    is_signed = True

    def headers(self, destination: Destination) -> dict[str, str]:
        """See `ChatFormat`."""
        return {"Authorization": f"Bearer {destination.token}"} if destination.token else {}

    def payload(self, message: Message, destination: Destination) -> dict[str, Any]:
        """See `ChatFormat`. What is not known is an empty text."""
        details = message.details
        return {
            "id": details.id,
            "time": write_second(details.at_s),
            "cluster": details.cluster,
            "namespace": details.namespace,
            "name": details.name,
            "target": details.target,
            "severity": message.severity,
            "text": message.text,
            "reason": details.reason,
            "revision": details.revision,
            "change": details.change,
            "appliedBy": details.applied_by,
            "channel": destination.channel,
            "fields": [{"name": field.name, "value": field.value} for field in message.fields],
        }
