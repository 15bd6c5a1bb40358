"""`serin lint`: admission's own rules on files, with places, counts and exit codes."""

import json
from pathlib import Path

import pytest

from tests.support.cluster import REPOSITORY
from tests.unit.cli.conftest import Serin

CANARY = """\
apiVersion: flagger.app/v1beta1
kind: Canary
metadata:
  name: web
  namespace: shop
spec:
  targetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: web
  service:
    port: 80
    targetPort: http
  analysis:
    interval: 10s
    threshold: 3
    stepWeight: 20
    metrics:
    - name: errors
      templateRef:
        name: errors
      thresholdRange:
        max: 1
      interval: 1m
"""

TEMPLATE = """\
apiVersion: flagger.app/v1beta1
kind: MetricTemplate
metadata:
  name: errors
  namespace: shop
spec:
  provider:
    type: prometheus
    address: http://prometheus:9090
  query: sum(rate(errors{app="{{ target }}"}[{{ interval }}]))
"""

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  selector:
    matchLabels:
      app: web
  template:
    metadata:
      labels:
        app: web
    spec:
      containers:
      - name: web
        image: web:1
        ports:
        - name: http
          containerPort: 8080
"""


@pytest.mark.parametrize("labels", ["", "track,k8s-app"])
def test_a_target_that_nothing_could_tell_from_its_primary_is_a_warning(serin: Serin, labels: str) -> None:
    target = DEPLOYMENT.replace("app: web", "tier: web")
    flags = [f"--selector-labels={labels}"] if labels else []
    code, stdout, _ = serin("lint", "-", *flags, stdin="---\n".join((CANARY, TEMPLATE, target)))
    allowed = labels.replace(",", ", ") or "app, name, app.kubernetes.io/name"
    assert (code, stdout.splitlines()) == (
        0,
        [
            (
                "<stdin>:10:5: warning: Canary shop/web: spec.targetRef.name: found Deployment shop/web with "
                f"spec.selector.matchLabels {{'tier': 'web'}}; allowed: one with at least one of the labels {allowed} "
                "there"
            ),
            "2 objects checked: 0 errors, 1 warning",
        ],
    )
    fitting = "--selector-labels=tier"
    assert serin("lint", "--strict", "-", fitting, stdin="---\n".join((CANARY, TEMPLATE, target))).code == 0
    broken = target.replace("  selector:\n    matchLabels:\n      tier: web\n", "  selector: 3\n")
    assert serin("lint", "-", stdin="---\n".join((CANARY, TEMPLATE, broken))).code == 0
    assert serin("lint", "-", "--selector-labels=-", stdin=CANARY).code == 2


def test_a_good_canary_alone_is_good_whatever_it_refers_to(serin: Serin) -> None:
    assert serin("lint", "-", stdin=CANARY) == (0, "1 object checked: 0 errors, 0 warnings\n", "")


def test_all_problems_are_told_at_once_in_the_order_of_the_file(serin: Serin, tmp_path: Path) -> None:
    faulty = CANARY.replace("port: 80", "port: 80000").replace("10s", "soon").replace("stepWeight", "stepWeigth")
    (tmp_path / "web.yaml").write_text(faulty)
    code, stdout, stderr = serin("lint", "web.yaml")
    assert (code, stderr) == (1, "")
    assert stdout.splitlines() == [
        "web.yaml:12:5: error: Canary shop/web: spec.service.port: found 80000; allowed: a port from 1 to 65535",
        (
            "web.yaml:15:5: error: Canary shop/web: spec.analysis.interval: found 'soon'; allowed: a duration "
            "such as 30s "
            "or 1m30s, at least 1s"
        ),
        (
            "web.yaml:17:5: warning: Canary shop/web: spec.analysis.stepWeigth: found a field that is not known "
            "and not "
            "read; allowed: known fields; did you mean spec.analysis.stepWeight?"
        ),
        "1 object checked: 2 errors, 1 warning",
    ]


def test_warnings_alone_fail_only_if_it_is_strict(serin: Serin) -> None:
    doubtful = f"{CANARY}      unit: ms\n"
    told = (
        "<stdin>:25:7: warning: Canary shop/web: spec.analysis.metrics[0].unit: found a field that is not known and "
        "not read; allowed: known fields\n1 object checked: 0 errors, 1 warning\n"
    )
    assert serin("lint", "-", stdin=doubtful) == (0, told, "")
    assert serin("lint", "--strict", "-", stdin=doubtful) == (1, told, "")
    assert serin("lint", "--strict", "-", stdin=CANARY).code == 0


_UNKNOWN = (
    "found '{{ tarket }}' (line 1, column 22); allowed: between the braces, name, namespace, target, service, ingress, "
    'route, interval, variables.NAME, index variables "NAME", printf, eq, ne, and, or, not, if, else, end'
)


def test_what_is_beside_it_in_the_input_is_looked_at(serin: Serin) -> None:
    others = DEPLOYMENT.replace("name: http", "name: web"), TEMPLATE.replace("{{ target }}", "{{ tarket }}")
    code, stdout, _ = serin("lint", "-", stdin="---\n".join([CANARY, *others]))
    assert code == 1
    assert stdout.splitlines() == [
        (
            "<stdin>:13:5: warning: Canary shop/web: spec.service.targetPort: found 'http'; allowed: a number, "
            "or the name "
            "of a container port of Deployment web (web)"
        ),
        (
            "<stdin>:19:7: warning: Canary shop/web: spec.analysis.metrics[0].templateVariables: found nothing; "
            "allowed: "
            f"what MetricTemplate shop/errors asks for; it {_UNKNOWN}"
        ),
        f"<stdin>:56:3: error: MetricTemplate shop/errors: spec.query: {_UNKNOWN}",
        "2 objects checked: 1 error, 2 warnings",
    ]


def test_two_canaries_of_one_workload_are_both_refused(serin: Serin, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(CANARY)
    (tmp_path / "b.yaml").write_text(CANARY.replace("  name: web\n  namespace", "  name: other\n  namespace"))
    code, stdout, _ = serin("lint", ".")
    assert code == 1
    assert stdout.splitlines() == [
        (
            "a.yaml:10:5: error: Canary shop/web: spec.targetRef.name: found 'web'; allowed: a workload that no other "
            "canary has; Canary other has web, web-primary"
        ),
        (
            "b.yaml:10:5: error: Canary shop/other: spec.targetRef.name: found 'web'; allowed: a workload that "
            "no other "
            "canary has; Canary web has web, web-primary"
        ),
        "2 objects checked: 2 errors, 0 warnings",
    ]


def test_stages_with_objects_of_the_same_names_are_kept_apart(serin: Serin, tmp_path: Path) -> None:
    for stage, port in (("a", "http"), ("b", "web")):
        deployment = DEPLOYMENT.replace("name: http", f"name: {port}")
        (tmp_path / f"{stage}.yaml").write_text(
            f"{CANARY.replace('targetPort: http', f'targetPort: {port}')}---\n{deployment}"
        )
    assert serin("lint", "a.yaml", "b.yaml").stdout == "2 objects checked: 0 errors, 0 warnings\n"


def test_objects_without_a_namespace_are_of_the_one_that_is_named(serin: Serin) -> None:
    text = "---\n".join([CANARY, DEPLOYMENT.replace("name: http", "name: web")]).replace("  namespace: shop\n", "")
    told = serin("lint", "-n", "test", "-", stdin=text).stdout
    assert told.startswith("<stdin>:12:5: warning: Canary test/web: spec.service.targetPort: found 'http'")
    # A Canary that names its namespace has nothing to do with a Deployment that may be of any.
    text = "---\n".join([CANARY, DEPLOYMENT.replace("name: http", "name: web").replace("  namespace: shop\n", "")])
    assert serin("lint", "-", stdin=text).stdout == "1 object checked: 0 errors, 0 warnings\n"


def test_lists_as_kubectl_prints_them_are_taken_apart(serin: Serin) -> None:
    items = "\n".join(f"  {line}" for line in CANARY.replace("port: 80", "port: 0").splitlines())
    text = f"apiVersion: v1\nkind: List\nitems:\n-{items[1:]}\n"
    assert serin("lint", "-", stdin=text).stdout.splitlines()[0] == (
        "<stdin>:15:7: error: Canary shop/web: spec.service.port: found 0; allowed: a port from 1 to 65535"
    )


def test_json_is_read_too(serin: Serin) -> None:
    head = '"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": {"name": "web"}'
    text = f'{{{head},\n "spec": {{"targetRef": 5}}}}'
    assert serin("lint", "-", stdin=text).stdout.splitlines() == [
        "<stdin>:2:11: error: Canary default/web: spec.targetRef: found 5; allowed: an object",
        "1 object checked: 1 error, 0 warnings",
    ]


def test_references_across_namespaces_are_refused_where_the_webhook_would(serin: Serin) -> None:
    text = CANARY.replace("        name: errors\n", "        name: errors\n        namespace: other\n")
    assert serin("lint", "-", stdin=text).code == 0
    code, stdout, _ = serin("lint", "--no-cross-namespace-refs", "-", stdin=text)
    assert (code, stdout.splitlines()[0]) == (
        1,
        (
            "<stdin>:22:9: error: Canary shop/web: spec.analysis.metrics[0].templateRef.namespace: found "
            "'other'; allowed: "
            "shop, or nothing: references to other namespaces are turned off (no-cross-namespace-refs)"
        ),
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            CANARY.replace("v1beta1", "v1alpha3"),
            (
                "<stdin>:1:1: error: Canary shop/web: apiVersion: found 'flagger.app/v1alpha3'; allowed: "
                "flagger.app/v1beta1"
            ),
        ),
        (
            CANARY.replace("apiVersion: flagger.app/v1beta1\n", ""),
            "<stdin>:1:1: error: Canary shop/web: apiVersion: found nothing; allowed: flagger.app/v1beta1",
        ),
        (
            CANARY.replace("kind: Canary", "kind: Canery"),
            (
                "<stdin>:2:1: error: Canery shop/web: kind: found 'Canery'; allowed: one of Canary, MetricTemplate, "
                "AlertProvider"
            ),
        ),
        (
            CANARY.replace("    threshold: 3\n", "    threshold: 3\n    threshold: 4\n"),
            (
                "<stdin>:17:5: warning: Canary shop/web: spec.analysis.threshold: found it a second time, after line "
                "16; "
                "allowed: one of a name in a map, for only the last one counts"
            ),
        ),
        (
            "a: [\n",
            "<stdin>:2:1: error: this is no YAML: while parsing a flow node did not find expected node content",
        ),
        (b"\xef\xbb\xbfa: 1\nb: \xff\n", "<stdin>:2:4: error: this is no YAML: found no UTF-8 here"),
    ],
    ids=["version", "no version", "kind", "twice", "no YAML", "no UTF-8"],
)
def test_what_admission_never_sees_is_told(serin: Serin, text: str | bytes, told: str) -> None:
    assert serin("lint", "-", stdin=text).stdout.splitlines()[0] == told


def test_a_file_that_is_no_yaml_keeps_no_other_from_being_checked(serin: Serin, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("{{- if .Values.canary }}\n")
    (tmp_path / "b.yml").write_text(CANARY.replace("port: 80", "port: 0"))
    (tmp_path / "notes.txt").write_text("{{")
    (tmp_path / ".hidden.yaml").write_text("{{")
    code, stdout, _ = serin("lint", ".")
    assert code == 1
    assert [line.partition(" ")[0] for line in stdout.splitlines()] == ["a.yaml:1:3:", "b.yml:12:5:", "1"]


def test_objects_of_other_kinds_are_skipped(serin: Serin) -> None:
    others = ["apiVersion: example.com/v1\nkind: Canary\nspec: 1\n", DEPLOYMENT, "just text\n", "- a\n- list\n", "\n"]
    nothing = "Nothing to check: found no Canary, MetricTemplate or AlertProvider of flagger.app\n"
    assert serin("lint", "-", stdin="---\n".join(others)) == (0, nothing, "")


def test_canaries_of_other_providers_are_left_alone(serin: Serin) -> None:
    text = CANARY.replace("spec:\n", "spec:\n  provider: istio\n", 1).replace("port: 80", "port: 0")
    assert serin("lint", "-", stdin=text).stdout.splitlines() == [
        (
            "<stdin>:7:3: warning: Canary shop/web: spec.provider: found 'istio'; allowed: gloo, or nothing, for "
            "Serin; that of another controller is left to it, and not checked"
        ),
        "1 object checked: 0 errors, 1 warning",
    ]


def test_input_without_any_object_passes_only_where_that_is_meant(serin: Serin, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.yaml").write_text("# nothing\n")
    for name, shown in (("-", "<stdin>"), ("folder", "folder")):
        line = f"serin: {shown}: found no object; allowed: at least one, or --allow-empty\n"
        assert serin("lint", name) == (2, "", line)
        assert serin("lint", "--allow-empty", name).code == 0
    assert serin("lint", "folder/notes.yaml").code == 0


def test_a_template_of_helms_is_told_to_be_rendered_first(serin: Serin, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("{{- if .Values.canary }}\n")
    (tmp_path / "b.yaml").write_text("# {{ no template }}\na: [\n")
    first, second, _ = serin("lint", ".").stdout.splitlines()
    hint = "; if it is a template of Helm's, lint what it becomes: helm template CHART | serin lint -"
    assert first.endswith(hint)
    assert hint not in second


def test_a_name_that_is_to_be_generated_is_one(serin: Serin) -> None:
    text = CANARY.replace("  name: web\n  namespace", "  generateName: web-\n  namespace")
    assert serin("lint", "-", stdin=text).stdout == "1 object checked: 0 errors, 0 warnings\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("lint", "nowhere.yaml"), "serin: nowhere.yaml: there is no such file or folder\n"),
        (("lint",), "Error: Missing argument 'FILE'.\n"),
        (("lint", "--loud", "-"), "Error: No such option: --loud\n"),
        (("lind", "-"), "Error: No such command 'lind'. Did you mean 'lint'?\n"),
    ],
)
def test_wrong_use_is_one_line_and_exits_2(serin: Serin, arguments: tuple[str, ...], told: str) -> None:
    code, stdout, stderr = serin(*arguments)
    assert (code, stdout) == (2, "")
    assert stderr.endswith(told)


def test_json_has_the_same_findings(serin: Serin) -> None:
    code, stdout, _ = serin("lint", "-o", "json", "-", stdin=CANARY.replace("port: 80", "port: 0"))
    assert code == 1
    assert json.loads(stdout) == {
        "objects": 1,
        "errors": 1,
        "warnings": 0,
        "findings": [
            {
                "file": "<stdin>",
                "line": 12,
                "column": 5,
                "severity": "error",
                "object": "Canary shop/web",
                "path": "spec.service.port",
                "message": "spec.service.port: found 0; allowed: a port from 1 to 65535",
            }
        ],
    }


def test_no_shipped_manifest_has_an_error(serin: Serin) -> None:
    code, stdout, _ = serin("lint", str(REPOSITORY / "manifests"))
    assert (code, stdout.splitlines()[-1]) == (0, "3 objects checked: 0 errors, 1 warning")
