from canary.api.problems import InvalidObject, Problem, field_path


def test_a_problem_tells_path_found_and_allowed() -> None:
    problem = Problem("spec.analysis.interval", "5x", "a duration such as 30s")
    assert str(problem) == "spec.analysis.interval: found '5x'; allowed: a duration such as 30s"


def test_found_is_texts_as_the_user_wrote_it() -> None:
    texts = [str(Problem("p", found, "x")) for found in (None, True, 5, {"min": 2.5}, ["a"], "y" * 500)]
    assert texts[:5] == [
        "p: found nothing; allowed: x",
        "p: found true; allowed: x",
        "p: found 5; allowed: x",
        'p: found {"min": 2.5}; allowed: x',
        'p: found ["a"]; allowed: x',
    ]
    assert len(texts[5]) < 160


def test_an_invalid_object_names_itself_and_every_problem() -> None:
    problems = [Problem("spec.a", 1, "2"), Problem("spec.b", None, "3")]
    error = InvalidObject(kind="Canary", namespace="test", name="podinfo", problems=problems)
    assert str(error) == "Canary test/podinfo: spec.a: found 1; allowed: 2; spec.b: found nothing; allowed: 3"
    assert error.problems == tuple(problems)


def test_paths_are_written_as_kubernetes_writes_them() -> None:
    assert field_path("spec", "metrics", 1, "name") == "spec.metrics[1].name"
    assert field_path("spec.match[0]", "headers", "x-user") == "spec.match[0].headers[x-user]"
    assert field_path("metadata", "annotations", "a.io/b") == "metadata.annotations[a.io/b]"
