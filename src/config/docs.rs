//! `docs/configuration.md`, generated from the table of keys, and checks of `examples/config.yaml` against it.
//! `UPDATE_DOCS=1 cargo test --lib config::docs` writes the page.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use super::keys::{self, KEYS, Key, Kind, SIGNAL_KEYS};
use super::{Environment, Flags, load};

const HEAD: &str = "\
# Configuration

<!-- Generated from src/config/keys.rs by `UPDATE_DOCS=1 cargo test --lib config::docs`. -->

`qtrail run DIR --endpoint URL` needs no configuration file. Everything else can be set in a YAML file (`--config FILE`,
or the variable `QTRAIL_CONFIG`); [examples/config.yaml](../examples/config.yaml) shows every key.
`qtrail run --print-config` prints the resulting configuration, each value with its source and secrets masked.
`qtrail check` tests it.

[config.schema.json](config.schema.json) is a JSON Schema with which editors complete and check the file. With the YAML
language server, start the file with
`# yaml-language-server: $schema=https://raw.githubusercontent.com/qtrail/qtrail/main/docs/config.schema.json`.

## Which source wins

From the weakest to the strongest:

1. the defaults listed below,
2. the [standard `OTEL_EXPORTER_OTLP_*` variables](#standard-variables),
3. the file,
4. `QTRAIL_*` variables,
5. flags.

The file wins over the standard variables because it was written for qtrail, while those are often set for every process
of a host; OpenTelemetry's declarative configuration does the same. The setting for one signal (`export.logs.endpoint`)
wins over the general one (`export.endpoint`) unless the general one comes from a stronger source. A list or a map
replaces the one from a weaker source as a whole. An empty variable counts as unset.

An unknown key is an error that suggests the nearest one. An unknown `QTRAIL_*` variable is ignored (Kubernetes sets such
variables), with a warning if it looks like a misspelt key.

## Types of values

| type | syntax |
| --- | --- |
| duration | `500ms`, `5s`, `1m30s`, `2h`, `7d` |
| size | a number of bytes, or with a unit: `64KiB`, `2MiB`, `4GiB` (also `kB`, `MB`, `GB`) |
| list | `[a, b]` in the file, `a,b` in a variable |
| map, headers | `name: value` lines in the file, `name=value,name=value` in a variable (percent-encoded, as in `OTEL_EXPORTER_OTLP_HEADERS`) |
| address | `127.0.0.1:9465`, `[::1]:9465`, `localhost:9465`, or `none` |
| listener | `127.0.0.1`, `0.0.0.0:4319`, `[::]:4319`, `localhost`, a Unix socket as `unix:/run/qtrail/grpc.sock`, or `none` |
| path | absolute, or relative to the working directory |

In the file, `${env:NAME}` is replaced by a variable, `${env:NAME:-default}` by a variable with a default, and `$$` by a
dollar sign. In headers (in the file, in `QTRAIL_*` variables and in `--header`), `${file:PATH}` is replaced by the content
of a file without its final newline, for secrets that Docker or Kubernetes mount.

## Keys
";

const TAIL: &str = "
## Standard variables

`OTEL_EXPORTER_OTLP_` with `ENDPOINT`, `PROTOCOL`, `HEADERS`, `COMPRESSION`, `TIMEOUT` (milliseconds),
`CERTIFICATE`, `CLIENT_CERTIFICATE`, `CLIENT_KEY` and `INSECURE`, and the same with `LOGS_` or `TRACES_`
before the last word, as in the [OpenTelemetry
specification](https://opentelemetry.io/docs/specs/otel/protocol/exporter/): over HTTP, `/v1/logs` and
`/v1/traces` are appended to the general endpoint, and the endpoint of one signal is used unchanged; an
endpoint without a scheme is `https` unless `INSECURE` is `true`. An invalid value is
ignored, with a warning. Unlike in the specification, the default protocol is `grpc`.

`OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` describe qtrail itself in its own telemetry
(`telemetry.endpoint`), never the events.

`NO_COLOR` disables colours.

`HTTPS_PROXY`, else `ALL_PROXY`, is the HTTP proxy for `https` endpoints (with `CONNECT`;
`http://USER:PASSWORD@HOST:PORT`). `NO_PROXY` lists hosts to connect to directly, separated by commas or spaces:

| entry | hosts |
| --- | --- |
| `example.com`, `.example.com` | this host and its subdomains |
| `*.example.com` | its subdomains |
| `192.0.2.7`, `2001:db8::1`, `[2001:db8::1]` | the address |
| `10.0.0.0/8`, `2001:db8::/32` | the addresses of the network; names are not resolved |
| `collector:4317`, `*.example.com:4317`, `[::1]:4317` | the same, on this port only |
| `*` | all |

Each variable is also read in lower case if the one in upper case is unset or empty. `http` endpoints,
`telemetry.endpoint` and this host (`localhost`, `127.0.0.0/8`, `::1`) never use the proxy. For AWS, `NO_PROXY` has the
same meaning; the AWS SDK reads the proxy variables itself (and `HTTP_PROXY`, for plain endpoints).

## Metrics and health

`telemetry.http` serves [the live page](operations.md#the-live-page), `/metrics` (Prometheus), `/livez` and `/readyz`. `/readyz` answers 503 with the
reason and the remedy while events are stuck: [operations.md](operations.md#health-and-metrics) lists the reasons.

## Exit codes

See [operations.md](operations.md#exit-codes).
";

/// The first words of the keys under each heading, in the order of the table.
const SECTIONS: [(&str, &[&str]); 11] = [
    (
        "Input",
        &[
            "directory",
            "ingest",
            "s3",
            "event_history",
            "identity_store",
            "aws",
            "state",
        ],
    ),
    (
        "Event selection",
        &["select", "amazon_q", "agents", "duplicates"],
    ),
    ("Conversations", &["assemble", "assembly"]),
    ("Proof", &["verify", "verification", "manifest"]),
    ("Limits", &["limits"]),
    (
        "Output",
        &[
            "signals",
            "traces",
            "body",
            "maps",
            "service_name",
            "resource",
            "gen_ai",
            "identities",
        ],
    ),
    ("Redaction", &["redact"]),
    ("Export", &["export"]),
    ("Dead letters", &["dead_letters"]),
    ("Shutdown", &["shutdown"]),
    ("Telemetry", &["log", "telemetry"]),
];

fn section_of(key: &Key) -> &'static str {
    let word = key.name.split('.').next().unwrap_or_default();
    SECTIONS
        .iter()
        .find(|(_, words)| words.contains(&word))
        .unwrap_or_else(|| panic!("{word} has no section"))
        .0
}

fn page() -> String {
    let mut out = HEAD.to_owned();
    let mut section = "";
    for key in KEYS {
        if section_of(key) != section {
            section = section_of(key);
            write!(
                out,
                "\n### {section}\n\n| key | type | default | variable | description |\n| --- | --- | --- | --- | --- |\n"
            )
            .unwrap();
        }
        out.push_str(&row(key));
        if key.name == "export.rate_limit" {
            let own: Vec<_> = SIGNAL_KEYS.iter().map(|key| format!("`{key}`")).collect();
            write!(
                out,
                "\nThese can also be set for one signal, under `export.logs` or `export.traces`: {}.\n\
                 For example, `export.traces.endpoint` (`QTRAIL_EXPORT_TRACES_ENDPOINT`) sends spans to another\n\
                 collector. Over HTTP, such an endpoint is used unchanged.\n",
                own.join(", ")
            )
            .unwrap();
        }
    }
    out + TAIL
}

fn row(key: &Key) -> String {
    let words = |words: &[&str]| words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>();
    let kind = match key.kind {
        Kind::Text => "text".to_owned(),
        Kind::Path => "path".to_owned(),
        Kind::Bool => "`true`, `false`".to_owned(),
        Kind::Count(least) => format!("number, at least {least}"),
        Kind::Duration => "duration".to_owned(),
        Kind::Size => "size".to_owned(),
        Kind::Choice(choice) | Kind::Variant(choice) => words(choice).join(", "),
        Kind::List => "list".to_owned(),
        Kind::Choices(choice) => format!("list of {}", words(choice).join(", ")),
        Kind::Map => "map".to_owned(),
        Kind::Secret => "secret".to_owned(),
        Kind::Secrets => "headers".to_owned(),
        Kind::Url => "URL".to_owned(),
        Kind::Address => "address".to_owned(),
        Kind::Listen(port) => format!("listener, default port {port}"),
    };
    let default = match key.default {
        "" => String::new(),
        text => format!("`{text}`"),
    };
    format!(
        "| `{}` | {kind} | {default} | `{}` | {} |\n",
        key.name,
        keys::variable(key.name),
        key.help
    )
}

fn file(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn the_page_is_made_from_the_table() {
    let path = file("docs/configuration.md");
    let made = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == made,
        "docs/configuration.md differs from src/config/keys.rs: UPDATE_DOCS=1 cargo test --lib config::docs"
    );
}

#[test]
fn each_section_of_the_page_occurs_once() {
    let page = page();
    let headings: Vec<_> = page.lines().filter(|l| l.starts_with("### ")).collect();
    let unique: BTreeSet<_> = headings.iter().collect();
    assert_eq!(headings.len(), unique.len(), "{headings:?}");
}

pub(super) fn example() -> String {
    std::fs::read_to_string(file("examples/config.yaml")).unwrap()
}

/// The example with its `#: ` lines taken in.
pub(super) fn uncommented(example: &str) -> String {
    let lines = example
        .lines()
        .map(|line| match line.trim_start().strip_prefix("#: ") {
            Some(rest) => {
                let indent = line.len() - line.trim_start().len();
                format!("{:indent$}{rest}\n", "")
            }
            None => format!("{line}\n"),
        });
    lines.collect()
}

fn printed(yaml: &str) -> Vec<String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), yaml).unwrap();
    let loaded = load(Some(file.path()), &Environment::default(), Flags::default());
    let text = loaded.unwrap_or_else(|e| panic!("{e}")).to_string();
    let without_source = |line: &str| line.split("  # ").next().unwrap_or_default().to_owned();
    text.lines().map(without_source).collect()
}

#[test]
fn the_example_as_it_stands_is_the_defaults_and_what_it_says_it_sets() {
    let marked: String = example()
        .lines()
        .filter(|line| !line.ends_with("# set here"))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_ne!(marked, example(), "nothing is marked");
    assert_eq!(
        printed(&marked),
        printed(""),
        "a value differs from its default"
    );
    assert_ne!(printed(&example()), printed(""));
}

#[test]
fn the_example_names_every_key_and_its_commented_lines_are_valid_too() {
    let uncommented = uncommented(&example());
    let file = tempfile::NamedTempFile::new().unwrap();
    // Two lines name files that only a real host has, and one conflicts with another.
    let here = uncommented
        .replace("${file:/run/secrets/otlp-token}", "token")
        .replace("${file:/run/secrets/pseudonyms}", "0123456789abcdef")
        .replace(
            "identities: /etc/qtrail/people.csv",
            "identities: /dev/null",
        )
        .replace("  file: /var/lib", "  # file: /var/lib");
    std::fs::write(file.path(), &here).unwrap();
    let environment = Environment::default();
    let loaded = load(Some(file.path()), &environment, Flags::default())
        .unwrap_or_else(|e| panic!("{e}\n{here}"));
    let missing: Vec<_> = KEYS
        .iter()
        .filter(|key| loaded.is_default(key.name) && key.name != "export.file")
        .map(|key| key.name)
        .collect();
    assert!(missing.is_empty(), "{missing:?} are not in the example");
    assert!(uncommented.contains("  file: /var/lib"));
}
