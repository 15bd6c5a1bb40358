"""YAML as kubectl reads it, and the place of every field."""

import pytest
import yaml

from cli.input.errors import NotYaml
from cli.input.values import Values, compose, locate


def read(text: str) -> object:
    (node,) = compose(text, "f.yaml")
    return Values("f.yaml").read(node)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1m", "1m"),
        ("1:30", "1:30"),
        ("2026-11-30", "2026-11-30"),
        ("12345678901234567890", 12345678901234567890),
        ("010", 8),
        ("0x1F", 31),
        ("-0b11", -3),
        ("1_000", 1000),
        ("99.5", 99.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("yes", True),
        ("Off", False),
        ("y", "y"),
        ("~", None),
        ("", None),
        ("'5'", "5"),
        ("!!str 5", "5"),
        ("!secret x", "x"),
        ("1.2.3", "1.2.3"),
        ("+", "+"),
        (".", "."),
        ("089", 89.0),
    ],
)
def test_scalars_are_what_kubectl_makes_of_them(text: str, value: object) -> None:
    found = read(f"a: {text}\n")
    assert found == {"a": value}
    assert isinstance(found, dict)
    assert type(found["a"]) is type(value)


def test_keys_are_texts() -> None:
    assert read("{80: a, on: b, x-y/z: c}") == {"80": "a", "true": "b", "x-y/z": "c"}


def test_a_map_that_is_merged_in_gives_way_to_the_maps_own_keys() -> None:
    text = "base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\nall: {x: 5, <<: [*b, *m]}\n"
    found = read(text)
    assert isinstance(found, dict)
    assert found["all"] == {"x": 5, "y": 2, "z": 4}


TEXT = """\
# a comment
metadata:
  annotations:
    a.io/b: x
    "[0]": y
spec:
  analysis:
    metrics:
    - name: one
    -
      name: two
      thresholdRange: {min: 99, max: 100}
    empty:
"""


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("spec", (6, 1)),
        ("spec.analysis.metrics", (8, 5)),
        ("spec.analysis.metrics[0]", (9, 7)),
        ("spec.analysis.metrics[0].name", (9, 7)),
        ("spec.analysis.metrics[1].name", (11, 7)),
        ("spec.analysis.metrics[1].thresholdRange.max", (12, 33)),
        ("metadata.annotations[a.io/b]", (4, 5)),
        ("metadata.annotations[[0]]", (5, 5)),
        ("spec.analysis.empty", (13, 5)),
        # what is absent: the nearest that is there
        ("spec.analysis.metrics[1].interval", (11, 7)),
        ("spec.analysis.metrics[7].name", (8, 5)),
        ("spec.targetRef.name", (6, 1)),
        ("spec.analysis.empty.deeper", (13, 5)),
        ("status", (2, 1)),
    ],
)
def test_a_field_has_its_line_and_column(path: str, place: tuple[int, int]) -> None:
    (node,) = compose(TEXT, "f.yaml")
    assert locate(node, path) == place


def test_a_merged_field_is_where_it_is_written() -> None:
    (node,) = compose("base: &b\n  x: 1\nspec:\n  <<: *b\n  y: 2\n", "f.yaml")
    assert locate(node, "spec.x") == (2, 3)
    assert locate(node, "spec.y") == (5, 3)


def test_repeated_keys_are_told_with_both_lines() -> None:
    (node,) = compose("spec:\n  a: 1\n  b:\n  - c: 1\n    c: 2\n  a: 3\n", "f.yaml")
    values = Values("f.yaml")
    assert values.read(node) == {"spec": {"a": 3, "b": [{"c": 2}]}}
    assert [(one.path, one.key.start_mark.line + 1, one.first_line) for one in values.repeated] == [
        ("spec.b[0].c", 5, 4),
        ("spec.a", 6, 2),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "a: [1\nb: 2\n",
            "f.yaml:2:2: this is no YAML: while parsing a flow sequence did not find expected ',' or ']'",
        ),
        ("a: *nowhere\n", "f.yaml:1:4: this is no YAML: found undefined alias"),
        ("a: {[1]: 2}\n", "f.yaml:1:5: found a list or a map as a key; allowed: a text"),
        ("a: &a [*a]\n", "f.yaml:1:4: this has more than 200 levels, its aliases written out"),
        (
            "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
            + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 7)),
            "f.yaml:1:37: this has more than 1000000 values, its aliases written out",
        ),
    ],
    ids=["flow", "alias", "key", "endless", "laughs"],
)
def test_what_is_no_yaml_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(NotYaml) as refused:
        read(text)
    assert str(refused.value) == told


def test_nesting_without_end_is_no_traceback() -> None:
    with pytest.raises(NotYaml):
        read("[" * 20_000 + "]" * 20_000)


def test_each_document_has_a_root() -> None:
    assert [type(node) for node in compose("---\na: 1\n---\n---\n- b\n", "f.yaml")] == [
        yaml.MappingNode,
        yaml.ScalarNode,
        yaml.SequenceNode,
    ]
    assert list(compose("# only words\n", "f.yaml")) == []
