"""Grafana dashboards as code, and the generated JSON that users import."""
