"""Everything a user can configure: `load_settings` reads it, `Settings` is it."""

from monitor.settings.load import Loaded, load, load_settings
from monitor.settings.model import (
    DashboardOptions,
    LogOptions,
    PagerDuty,
    Retention,
    Route,
    RunbookOptions,
    Settings,
    StoreOptions,
    WebOptions,
)
from monitor.settings.target_list import settings_of_target_list, target_of_url

__all__ = [
    "DashboardOptions",
    "Loaded",
    "LogOptions",
    "PagerDuty",
    "Retention",
    "Route",
    "RunbookOptions",
    "Settings",
    "StoreOptions",
    "WebOptions",
    "load",
    "load_settings",
    "settings_of_target_list",
    "target_of_url",
]
