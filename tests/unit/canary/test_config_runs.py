"""A revision whose configuration changed is a change, though nobody touched the target."""

from canary.run.phase import Phase
from canary.run.revision import config_part, template_part, with_configs
from tests.support.canaries import canary
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_runs import phase

TEMPLATE, LATER_TEMPLATE = "0123456789abcdef", "fedcba9876543210"
ONE, TWO = ({"configmap/conf": content} for content in ("1", "2"))


def configured() -> SimulatedCluster:
    """A canary that was bootstrapped with a tracked ConfigMap, and waits."""
    made = SimulatedCluster(canary(), revision=with_configs(TEMPLATE, ONE))
    made.run(30)
    assert phase(made) is Phase.INITIALIZED
    return made


def test_a_revision_has_a_part_for_the_template_and_one_for_the_configuration() -> None:
    revision = with_configs(TEMPLATE, ONE)
    assert (template_part(revision), len(config_part(revision))) == (TEMPLATE, 8)
    assert revision != with_configs(TEMPLATE, TWO)
    assert with_configs(TEMPLATE, {}) == template_part(TEMPLATE) == TEMPLATE
    assert config_part(TEMPLATE) == ""


def test_another_configuration_starts_a_run_and_is_promoted() -> None:
    cluster = configured()
    cluster.revision = with_configs(TEMPLATE, TWO)
    cluster.run(300, until=lambda: cluster.state.phase is Phase.SUCCEEDED)
    assert cluster.primary_revision == with_configs(TEMPLATE, TWO)
    assert "New revision detected! Scaling up podinfo.test" in cluster.texts()


def test_another_configuration_in_mid_run_pulls_the_traffic_and_starts_again() -> None:
    cluster = configured()
    cluster.set_image(with_configs(LATER_TEMPLATE, ONE))
    cluster.run(100, until=lambda: cluster.weights == (90, 10))
    cluster.revision = with_configs(LATER_TEMPLATE, TWO)
    cluster.run(1)
    assert cluster.state.revisions.analysed == with_configs(LATER_TEMPLATE, TWO)
    assert cluster.history[-2:] == [(90, 10), (100, 0)]


def test_a_new_default_of_the_api_server_renames_the_template_in_every_revision() -> None:
    cluster = configured()
    cluster.revision = with_configs(TEMPLATE, TWO)
    cluster.run(100, until=lambda: cluster.state.traffic.canary_percent == 10)
    cluster.revision = with_configs(LATER_TEMPLATE, TWO)
    cluster.run(1)
    assert cluster.state.traffic.canary_percent == 10
    assert cluster.state.revisions.analysed == with_configs(LATER_TEMPLATE, TWO)
    assert cluster.state.revisions.promoted == with_configs(LATER_TEMPLATE, ONE)
