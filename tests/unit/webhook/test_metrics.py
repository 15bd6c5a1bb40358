"""The webhook's series, as Prometheus reads them."""

from webhook.metrics import WebhookMetrics


def test_a_time_is_counted_in_every_bucket_that_is_wide_enough() -> None:
    metrics = WebhookMetrics("test", lambda: 0.0)
    for seconds, outcome in ((0.0001, "patched"), (0.0005, "allowed"), (0.02, "patched"), (5.0, "patched")):
        metrics.observe_request("mutate/workloads", "UPDATE", outcome, seconds)
    metrics.observe_request("validate/canaries", "UPDATE", "denied", 0.0)
    for _ in range(2):  # a second scrape says the same
        text = metrics.render([], canaries=1)[0].decode()
        lines = [line for line in text.splitlines() if line.startswith("serin_admission_seconds") and "mutate" in line]
        counts = [int(float(line.split()[-1])) for line in lines if "_bucket" in line]
        assert counts == [2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 4]
        labels = '{entry="mutate/workloads",operation="UPDATE",outcome="patched"}'
        assert f"serin_admission_requests_total{labels} 3" in text
        assert 'serin_admission_seconds_count{entry="mutate/workloads"} 4' in text
        assert 'serin_admission_seconds_sum{entry="mutate/workloads"} 5.0206' in text
