"""`make dashboards`: write the JSON of manifests/grafana."""

from pathlib import Path

from dashboards.files import FILES

if __name__ == "__main__":
    for name, text in FILES.items():
        (Path("manifests/grafana") / name).write_text(text)
