"""The Grafana dashboards of manifests/grafana, written by `make dashboards`."""
