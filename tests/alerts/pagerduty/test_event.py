import pytest

from alerts.incident import PageAction
from alerts.pagerduty.event import PageEvent


@pytest.mark.parametrize(("route", "key"), [("", "k"), ("r", "")])
def test_an_event_without_key_or_route_is_never_made(route: str, key: str) -> None:
    with pytest.raises(ValueError, match="needs a dedup key and a route"):
        PageEvent(action=PageAction.TRIGGER, route=route, dedup_key=key)
