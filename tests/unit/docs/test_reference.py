"""docs/reference/ is what the code says now, and docs/how-to/ has an entry for every reason of the condition Ready."""

import re
from collections import Counter

import pytest
import yaml

from canary.run.wire import StatusKey
from cli.exit_codes import ExitCode
from tests.support.cluster import REPOSITORY
from tests.support.reference.pages import FOLDER, PAGES
from tests.support.reference.source import ready_reasons
from tests.support.reference.stored import entries

ENTRIES = list(entries())


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_says_now(name: str) -> None:
    assert (FOLDER / name).read_text() == PAGES[name](), "run `make reference`"


def test_there_is_no_other_page() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {"README.md", *PAGES}


def test_the_reasons_are_found() -> None:
    """Of each way to give one: by a Blocker's text, by its constant, by an enumeration, by an error, by a condition."""
    found = ready_reasons()
    of_each_way = {"InvalidSpec", "Retrying", "TargetNotFound", "TargetUnusable", "RouteUnusable", "Unanalysed"}
    assert of_each_way <= found
    assert len(found) > 30


def test_every_reason_has_one_entry_and_every_entry_a_reason() -> None:
    assert Counter(reason for _, reason, _ in ENTRIES) == Counter(ready_reasons())


@pytest.mark.parametrize(("name", "reason", "text"), ENTRIES, ids=[reason for _, reason, _ in ENTRIES])
def test_an_entry_says_what_it_means_and_what_to_type(name: str, reason: str, text: str) -> None:
    assert len(text.split("\n\n", maxsplit=1)[0]) > 20, "what it means, first"
    assert re.search(r"^```bash\n.*(?:kubectl|serin) .*\n", text, re.MULTILINE), "what to type"


def test_the_reasons_of_a_page_are_those_of_its_heading() -> None:
    """What blocks a canary is on the one page, what is wrong while it goes on is on the other."""
    blocked = {reason for name, reason, _ in ENTRIES if name == "ready-blocked.md"}
    assert {"InvalidSpec", "Suspended", "StatusNotStored", "FlaggerRunning"} <= blocked
    assert blocked.isdisjoint({"Retrying", "PrimaryNotReady", "ChecksUndecided", "Waiting"})


def test_every_field_of_the_status_is_explained_and_every_explanation_has_a_field() -> None:
    page = (REPOSITORY / "docs" / "concepts" / "status.md").read_text()
    cells = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", page, re.MULTILINE)
    explained = {name.strip("`") for cell in cells for name in cell.split(", ")}
    keys = {value for name, value in vars(StatusKey).items() if name.isupper()}
    assert len(keys) > 30
    assert explained == keys


def test_the_exit_codes_are_explained() -> None:
    page = (REPOSITORY / "docs" / "cli.md").read_text()
    table = page.partition("| exit code |")[2].partition("\n\n")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)] == sorted(set(map(int, ExitCode)))


def test_the_verbs_that_a_page_types_are_the_commands() -> None:
    page = re.compile(r"(?:^|`|\| |&& )(?:kubectl )?serin ([a-z]+)", re.MULTILINE)
    pages = [REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")]
    typed = {(verb, path.name) for path in pages for verb in page.findall(path.read_text())}
    verbs = set(re.findall(r"^## `serin (\w+)", PAGES["serin.md"](), re.MULTILINE))
    assert len({verb for verb, _ in typed}) > 6
    assert {(verb, name) for verb, name in typed if verb not in verbs} == set()


def test_every_alert_of_the_rules_has_a_row_and_every_row_an_alert() -> None:
    rules = yaml.safe_load((REPOSITORY / "manifests" / "monitoring-operator" / "prometheus-rule.yaml").read_text())
    alerts = {rule["alert"] for group in rules["spec"]["groups"] for rule in group["rules"]}
    page = (REPOSITORY / "docs" / "operating" / "monitoring.md").read_text()
    assert len(alerts) > 5
    assert set(re.findall(r"^\| `(Serin\w+)`[^|]* \| ", page, re.MULTILINE)) == alerts
