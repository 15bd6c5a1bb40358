"""By what the demo installs Serin and its load tester: each way is a line of the guide or of docs/operating/helm.md."""

from enum import StrEnum


class Install(StrEnum):
    """The ways to install."""

    KUSTOMIZE = "kustomize"
    HELM = "helm"


SERIN_BY_HELM = (
    "helm4 upgrade -i serin charts/serin --namespace gloo-system --set prometheus.install=true --set meshProvider=gloo "
    "-f sandbox/serin/values.yaml"
)

LOAD_TESTER = {
    Install.KUSTOMIZE: "kubectl -n test apply -k manifests/loadtester",
    Install.HELM: "helm4 upgrade -i flagger-loadtester charts/loadtester --namespace test",
}
