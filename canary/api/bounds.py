"""Every bound on what comes from outside, with its unit and the reason for it.

Example: a Canary with 101 metrics is refused, for each is a query in each interval. The bounds are generous: what
somebody means and can use lies far below them. Names say what is counted: `_CHARS` characters, `_BYTES` bytes in UTF-8,
`_S` seconds, anything else a number of pieces. `MOST_` is the greatest that is accepted, `LEAST_` the smallest.

What is too large to be looked at stops a stored canary, too (`canary.rules.sizes`); a number that is too great is
refused as it is applied, and what is stored runs on with the bound in its place (`canary.rules.run_numbers`).
"""

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB
HOUR_S: Final = 3_600
DAY_S: Final = 24 * HOUR_S
WEEK_S: Final = 7 * DAY_S

# ---- An object as a whole

MOST_VALUES: Final = 10_000
"""Of a spec; one that is in use has some hundred. Reading a larger one would delay everything else."""

MOST_DEPTH: Final = 32
"""Objects and lists in each other in a spec, itself counted. Ours have 8; Python's parsers end at some hundred."""

MOST_SPEC_CHARS: Final = 256 * KIB
"""Of all texts and keys of a spec: as much as the API server takes of annotations, where kubectl keeps a copy of it."""

MOST_TEXT_CHARS: Final = 64 * KIB
"""Of any text in a spec that has no smaller bound of its own. The longest that somebody means is a query."""

MOST_KEY_CHARS: Final = 1 * KIB
"""Of a key in a spec: a field's, a header's, a label's. Kubernetes' longest, a qualified name, has 317."""

MOST_NAME_CHARS: Final = 253
"""Of the names of metrics, hooks and alerts, as of objects in Kubernetes: they become labels of series and events."""

MOST_URL_CHARS: Final = 8 * KIB
"""Of an address: what web servers commonly take of a request's first line."""

MOST_MISSHAPEN: Final = 50
"""Fields of the wrong type; with more, the rest is not checked: there is enough to mend first, and each is compared
with each problem."""

# ---- How often: lists of a Canary

MOST_METRICS: Final = 100
"""Of an analysis. Each is a query in each interval, of an agent that all namespaces share."""

MOST_HOOKS: Final = 100
"""Of an analysis. Each is a connection in each interval."""

MOST_ALERTS: Final = 50
"""Of an analysis. Each is a message to a chat at each occasion."""

MOST_TEMPLATE_VARIABLES: Final = 100
"""Of a metric."""

MOST_HOOK_METADATA: Final = 100
"""Entries of a hook's metadata, which are sent with each call."""

MOST_STEP_WEIGHTS: Final = 1_000
"""Of an analysis. There are 100 percents; more steps than that repeat some."""

MOST_STEPS: Final = 200
"""Of `analysis.steps`: each of the 100 percents twice, for a time and with a pause."""

MOST_MATCHES: Final = 100
"""Entries of `analysis.match`."""

MOST_CONDITIONS: Final = 64
"""Of one entry of `analysis.match`: headers, withoutHeaders and queryParams together."""

MOST_MATCHERS: Final = 1_000
"""Gloo's matchers that come of `analysis.match`. Each header of `withoutHeaders` doubles those of its entry, for Envoy
has to be asked for one that is missing and for one with another value: ten headers give 1,024."""

MOST_ROUTE_MATCHERS: Final = 5_000
"""Of one route: each matcher of the main route with each of the canary's. A table of more is beyond etcd's 1.5 MiB."""

MOST_HEADERS: Final = 100
"""Of each of `set`, `add` and `remove`, for requests and responses. Envoy refuses a route of more than 1,000, and with
it the routes of everybody."""

MOST_CORS_ENTRIES: Final = 100
"""Of each list of `corsPolicy`."""

# ---- What targets are configured by

MOST_CONFIG_REFS: Final = 500
"""ConfigMaps and Secrets that a pod template refers to. Each is read, and read again each minute; of a template with
more nothing is tracked. An object of 1.5 MiB has room for 20,000, and none of them needs to exist."""

# ---- Texts that reach Envoy, which refuses all routes together for one that it can't read

MOST_HEADER_NAME_CHARS: Final = 256
"""Of a header's name. Envoy takes 16,384 bytes in its configuration; no server takes half of that in a request."""

MOST_HEADER_VALUE_BYTES: Final = 16 * KIB
"""Of a header's value, Envoy's variables unfilled: the rule of its API (`HeaderValue.value`, max_bytes 16384)."""

MOST_PARAMETER_NAME_BYTES: Final = 1 * KIB
"""Of a query parameter's name: the rule of Envoy's API (`QueryParameterMatcher.name`, max_bytes 1024)."""

MOST_RETRY_ON_CHARS: Final = 1 * KIB
"""Of `retryOn`: all conditions that there are, three times."""

MOST_COOKIE_NAME_CHARS: Final = 256
"""Of an affinity cookie's name, which becomes a part of a pattern."""

MOST_COOKIE_ATTRIBUTE_CHARS: Final = 1 * KIB
"""Of a cookie's domain or path. Browsers ignore longer ones (RFC 6265bis)."""

MOST_PATH_BYTES: Final = 8 * KIB
"""Of a path or a host that is compared or written: as of a URL."""

MOST_REGEXES: Final = 256
"""Regular expressions of a Canary."""

MOST_REGEX_CHARS: Final = 2 * KIB
"""Of one regular expression. To read one takes up to 10 KiB of memory a character, whatever limit RE2 is given."""

MOST_REGEXES_CHARS: Final = 16 * KIB
"""Of all regular expressions of a Canary: to compile them takes up to a second even so."""

MOST_REGEX_INSTRUCTIONS: Final = 1_024
"""Of a pattern's program in RE2: Envoy's limit as Gloo sets it since 1.15. A route with a larger one is refused."""

FEWEST_REGEX_INSTRUCTIONS: Final = 100
"""Envoy's own limit, in force with older versions of Gloo: a larger pattern is a warning."""

MOST_ROUTE_TIMEOUT_S: Final = 366 * DAY_S
"""Of a request (`service.timeout`, `perTryTimeout`, CORS' `maxAge`). Envoy refuses durations that it can't count in
nanoseconds; whoever wants none writes 0s."""

MOST_ROUTE_RETRIES: Final = 100
"""Tries of one request. Each failing request would be as many; Gloo takes no more than 32 bits."""

# ---- Numbers of a run: beyond these the rule that they are the limit of is switched off

LEAST_INTERVAL_S: Final = 1
"""Between two ticks of a run."""

MOST_INTERVAL_S: Final = DAY_S
"""Between two ticks of a run. With a longer one a bad revision keeps its share of the users for longer than a day."""

MOST_METRIC_INTERVAL_S: Final = 366 * DAY_S
"""Of a query's window: longer than servers keep samples."""

MOST_THRESHOLD: Final = 10_000
"""Failed checks before a rollback: almost three hours of nothing but failures at the shortest interval."""

MOST_CONSECUTIVE_FAILURES: Final = 100
"""Failures in a row before one counts. A check that needs more of them decides nothing; `dryRun` says so."""

MOST_ITERATIONS: Final = 100_000
"""More than a day of iterations at the shortest interval."""

MOST_STEP_S: Final = 30 * DAY_S
"""Of a step's duration and of `bake`. Who wants to wait for longer than a month wants a pause."""

MOST_EVIDENCE_DEADLINE_S: Final = 30 * DAY_S
"""Of a step's wait for evidence, and of its warm-up. Who has so few requests needs a person, not a test."""

MOST_EVIDENCE_TESTS: Final = 8
"""Checks of a Canary that are judged by evidence: of each the status keeps what 64 gateways counted, and its looks."""

MOST_EVIDENCE_BOUNDS: Final = 4
"""Durations of one check whose shares of slow requests are tested."""

DEFAULT_PROGRESS_DEADLINE_S: Final = 600
MOST_PROGRESS_DEADLINE_S: Final = WEEK_S
"""Until a workload that does not become ready ends a run."""

MOST_UNOBSERVED_DEADLINE_S: Final = WEEK_S
"""Until checks without data end a run."""

MOST_DRAIN_S: Final = DAY_S
"""Until a side that still gets requests is scaled down all the same."""

MOST_MIN_REQUESTS: Final = 1_000_000_000
"""Requests that a check needs."""

MOST_HOOK_TIMEOUT_S: Final = HOUR_S
"""For one answer of a hook, which holds a connection of its namespace meanwhile."""

MOST_HOOK_RETRIES: Final = 100
"""Of a hook in one tick."""

MOST_DURATION_CHARS: Final = 100
"""No duration that somebody means is longer, and numbers of a hundred thousand digits take long to read."""

# ---- Queries

MOST_QUERY_BYTES: Final = 64 * KIB
"""Of a query with its variables filled in. Variables are put in as often as the template asks for them, so this counts
before the text is made."""

MOST_TEMPLATE_ACTIONS: Final = 2_000
"""Pairs of braces in a query. Nobody writes so many by hand, and others wait while a template is read."""

MOST_TEMPLATE_NESTING: Final = 16
"""Conditions, parentheses or pipes in each other in a query."""

MOST_PARSED_QUERY_CHARS: Final = 4 * KIB
"""Of a query whose PromQL is checked: the parser recurses, and at a depth of some 10,000 the process would end."""

MOST_PARSED_OPERATORS: Final = 400
"""Of a query whose PromQL is checked: the parser's time grows with the square of their number."""

MOST_PARSED_QUERIES_CHARS: Final = 32 * KIB
"""Of the queries of one Canary whose PromQL is checked; those that come after that many characters are not."""

MOST_RENDERED_QUERIES_CHARS: Final = 8 * KIB
"""Of the templates' queries that are filled in before a run begins: with each tick of their Canary, in everybody's
time. Of those that come after, their checks tell what is wrong."""

MOST_READ_QUERIES_CHARS: Final = 64 * KIB
"""Of the queries of one Canary whose braces are checked, counted before they are filled in: a KiB of them takes up to
two milliseconds. Those that come after that many characters are not; the agent says what is wrong with them."""

MOST_PROVIDER_HEADERS: Final = 100
"""Of a MetricTemplate's `provider.headers`."""

# ---- Admission reviews

MOST_REVIEW_BYTES: Final = 3 * MIB + 512 * KIB
"""Of a review: object and old object, each at most etcd's 1.5 MiB, with half a MiB for the rest."""

MOST_REVIEW_VALUES: Final = 200_000
"""Of a review, counted by its commas and opening brackets before it is parsed: each becomes up to 230 bytes."""

MOST_REVIEW_S: Final = 1.0
"""For one review, of the CPU. Python can't interrupt what it computes: that no object within the other bounds takes
longer is held by tests/unit/webhook/test_time.py and `make fuzz`."""

MOST_LONG_BODIES: Final = 8
"""Reviews that are read at once and did not come whole with their headers. Others wait."""

# ---- Answers of services on the network, and what of the agent a namespace may use

MOST_METRIC_ANSWER_BYTES: Final = 64 * KIB
"""Of a metrics server's answer, unpacked: one number is some hundred bytes, and whoever reads a table of them holds up
the loop of all canaries."""

MOST_COUNTERS_BYTES: Final = MIB
"""Of the agent's own metrics server's answer with raw samples of counters, for a check by evidence: half an hour of ten
gateways that are scraped each 5 s."""

MOST_USERS_COUNTERS_BYTES: Final = 256 * KIB
"""Of such an answer of a server that a user names: two minutes of dozens of gateways. Reading takes a hundredth of a
second."""

MOST_HOOK_ANSWER_BYTES: Final = 64 * KIB
"""Of a hook's or a chat's answer, unpacked; no more than a hint of it is ever shown."""

MOST_SECRET_VALUE_BYTES: Final = 64 * KIB
"""Of one credential or address that is read from a Secret."""

MOST_CHECKS_AT_ONCE: Final = 64
"""At once asked of metric servers, for all namespaces; others wait. A Prometheus computes 20 at once by its default,
and lets the others wait."""

MOST_CHECKS: Final = 256
"""The same with those that have no answer after a second: who is slow holds up nobody else."""

MOST_NAMESPACE_CONNECTIONS: Final = 32
"""At once to services of users, for the canaries of one namespace; others wait."""

MOST_CONNECTIONS: Final = 512
"""At once to services of users, for all namespaces."""

MOST_NAMESPACE_QUEUE: Final = 200
"""Alerts to one chat, or calls of one event hook, that wait for one namespace."""

MOST_NAMESPACE_QUEUES: Final = 1_000
"""The same for all of its chats, and for all of its event hooks; beyond that the longest queue gives way."""
