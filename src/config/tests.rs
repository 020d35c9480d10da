//! Sources in, configuration out.

use super::*;
use crate::export::{Destination, Endpoint, Protocol};
use crate::input::directory::{After, Start};
use qtrail_core::convert::Body;
use qtrail_core::event::amazon_q::Class;

fn env(variables: &[(&str, &str)]) -> Environment {
    variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn flags(set: &[(&'static str, &'static str, &str)]) -> Flags {
    let mut flags = Flags::default();
    for (key, flag, text) in set {
        flags.set(key, flag, *text);
    }
    flags
}

/// Loads from a file of this text; its name in messages is replaced by `FILE`.
fn load_all(yaml: &str, variables: &[(&str, &str)], set: Flags) -> Result<Loaded, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), yaml).unwrap();
    load(Some(file.path()), &env(variables), set).map_err(|e| {
        e.to_string()
            .replace(&file.path().display().to_string(), "FILE")
    })
}

fn from_yaml(yaml: &str) -> Config {
    load_all(yaml, &[], Flags::default())
        .map(|loaded| loaded.config)
        .unwrap_or_else(|error| panic!("{error}"))
}

fn from_env(variables: &[(&str, &str)]) -> Loaded {
    load(None, &env(variables), Flags::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn error(yaml: &str) -> String {
    load_all(yaml, &[], Flags::default()).err().unwrap()
}

fn endpoints(config: &Config) -> (&Endpoint, &Endpoint) {
    match &config.export.destination {
        Destination::Otlp { logs, traces } => (logs, traces),
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_set_gives_the_documented_defaults() {
    let config = from_env(&[]).config;
    assert!(config.directory.is_none());
    assert_eq!(config.limits, Limits::default());
    assert_eq!(config.memory_bytes, 128 << 20);
    assert_eq!(config.lists, Lists::default());
    assert_eq!(
        config.convert.provider_name,
        convert::Options::default().provider_name
    );
    assert_eq!(config.convert.body, Body::Original);
    assert!(config.convert.logs && config.convert.traces && !config.convert.maps);
    assert_eq!(config.convert.trace_classes, None);
    let (logs, traces) = endpoints(&config);
    for endpoint in [logs, traces] {
        assert_eq!(endpoint.url, "http://localhost:4317/");
        assert_eq!(endpoint.protocol, Protocol::Grpc);
        assert_eq!(endpoint.timeout, Duration::from_secs(10));
        assert!(!endpoint.gzip && endpoint.headers.is_empty());
    }
    assert_eq!(
        config.dead_letters.path,
        Path::new("/var/lib/qtrail/dead-letters.jsonl")
    );
    assert_eq!(config.shutdown, Duration::from_secs(15));
    assert_eq!(config.telemetry.http, Some(([127, 0, 0, 1], 9465).into()));
    assert!(config.telemetry.endpoint.is_none());
}

#[test]
fn the_stronger_source_wins() {
    const STANDARD: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://standard:1");
    const OWN: (&str, &str) = ("QTRAIL_EXPORT_ENDPOINT", "http://own:3");
    let file = "export: {endpoint: 'http://file:2'}";
    let flag = [("export.endpoint", "--endpoint", "http://flag:4")];
    for (yaml, variables, set, expected) in [
        ("", &[][..], &[][..], "http://localhost:4317/"),
        ("", &[STANDARD], &[], "http://standard:1/"),
        (file, &[STANDARD], &[], "http://file:2/"),
        (file, &[STANDARD, OWN], &[], "http://own:3/"),
        (file, &[STANDARD, OWN], &flag, "http://flag:4/"),
        ("", &[STANDARD], &flag, "http://flag:4/"),
    ] {
        let loaded = load_all(yaml, variables, flags(set)).ok().unwrap();
        let (logs, traces) = endpoints(&loaded.config);
        assert_eq!(
            (&logs.url, &traces.url),
            (&expected.parse().unwrap(), &expected.parse().unwrap())
        );
    }
}

#[test]
fn one_signals_variable_does_not_undo_a_stronger_general_endpoint() {
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://general:1"),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://logs:2"),
    ];
    let (general, set) = (
        from_env(&variables),
        flags(&[("export.endpoint", "--endpoint", "http://flag:4")]),
    );
    let (logs, traces) = endpoints(&general.config);
    assert_eq!(
        (logs.url.host(), traces.url.host()),
        (Some("logs"), Some("general"))
    );
    let strong = load(None, &env(&variables), set).ok().unwrap();
    let (logs, traces) = endpoints(&strong.config);
    assert_eq!(
        (logs.url.host(), traces.url.host()),
        (Some("flag"), Some("flag"))
    );
}

#[test]
fn every_standard_variable_is_understood() {
    let loaded = from_env(&[
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "https://otlp.example.com/base/",
        ),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "Api-Key=a%20b%2Cc, x-team=7"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/cert.pem"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/key.pem"),
        (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "http://spans:4318/custom",
        ),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "only=traces"),
        ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "1"),
    ]);
    let (logs, traces) = endpoints(&loaded.config);
    assert_eq!(logs.url, "https://otlp.example.com/base/v1/logs");
    assert_eq!(logs.protocol, Protocol::HttpProtobuf);
    assert_eq!(logs.headers["api-key"], "a b,c");
    assert_eq!(logs.headers["x-team"], "7");
    assert!(logs.gzip);
    assert_eq!(logs.timeout, Duration::from_millis(2500));
    assert_eq!(logs.tls.ca_file.as_deref(), Some(Path::new("/ca.pem")));
    assert_eq!(logs.tls.cert_file.as_deref(), Some(Path::new("/cert.pem")));
    assert_eq!(logs.tls.key_file.as_deref(), Some(Path::new("/key.pem")));
    assert_eq!(
        traces.url, "http://spans:4318/custom",
        "a signal's own URL is used as it stands"
    );
    assert_eq!(traces.protocol, Protocol::HttpJson);
    assert_eq!(traces.headers.len(), 1);
    assert!(!traces.gzip);
    assert_eq!(traces.timeout, Duration::from_millis(1));
    assert_eq!(traces.tls, logs.tls);
}

#[test]
fn invalid_standard_variables_are_ignored_with_a_note() {
    let loaded = from_env(&[
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier-pigeon"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "nonsense-s3cret"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", ""),
    ]);
    assert_eq!(endpoints(&loaded.config).0.protocol, Protocol::Grpc);
    assert_eq!(loaded.notes.len(), 3, "{:?}", loaded.notes);
    assert!(loaded.notes.iter().all(|note| note.contains("is ignored")));
    assert!(!loaded.notes.concat().contains("s3cret"));
}

#[test]
fn an_endpoint_without_a_scheme_is_tls_unless_insecure_says_otherwise() {
    for (insecure, expected) in [("", "https"), ("true", "http"), ("false", "https")] {
        let loaded = from_env(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "otel:9999"),
            ("OTEL_EXPORTER_OTLP_INSECURE", insecure),
        ]);
        assert_eq!(endpoints(&loaded.config).0.url.scheme_str(), Some(expected));
    }
    let message = error("export: {endpoint: 'otel:4317'}");
    assert!(message.contains("http://HOST:PORT"), "{message}");
}

#[test]
fn over_http_the_default_endpoint_and_the_paths_are_those_of_otlp() {
    let config = from_yaml("export: {protocol: http/json}");
    let (logs, traces) = endpoints(&config);
    assert_eq!(logs.url, "http://localhost:4318/v1/logs");
    assert_eq!(traces.url, "http://localhost:4318/v1/traces");
    let message = error("export: {protocol: http/json, endpoint: 'http://x:4318/v1/logs'}");
    assert!(message.contains("export.logs.endpoint"), "{message}");
}

#[test]
fn the_other_protocols_port_is_noted() {
    let notes = load_all("export: {endpoint: 'http://x:4318'}", &[], Flags::default())
        .ok()
        .unwrap()
        .notes;
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("http/protobuf"));
}

#[test]
fn unknown_keys_are_refused_with_their_line_and_the_nearest_name() {
    for (yaml, expected) in [
        (
            "state: /s\nselct: all\n",
            "FILE:2: selct: unknown key: did you mean `select`?",
        ),
        (
            "directory:\n  path: /d\n  setle: 5s\n",
            "FILE:3: directory.setle: unknown key: did you mean `directory.settle`?",
        ),
        (
            "endpoint: http://x:1\n",
            "FILE:1: endpoint: unknown key: did you mean `export.endpoint`?",
        ),
        (
            "exprot:\n  endpoint: http://x:1\n",
            "FILE:1: exprot: unknown key: did you mean `export`?",
        ),
        (
            "qqqqqqqqqqqq: 1\n",
            "FILE:1: qqqqqqqqqqqq: unknown key: see docs/configuration.md",
        ),
        (
            "export: 5\n",
            "FILE:1: export: is a group of keys: write them below it, indented",
        ),
    ] {
        assert_eq!(error(yaml), expected);
    }
}

#[test]
fn all_problems_are_reported_at_once_with_source_key_value_and_remedy() {
    let yaml =
        "directory:\n  settle: 5 parsecs\nlimits:\n  memory: lots\n  depth: 0\nselect: none\n";
    let set = flags(&[("export.endpoint", "--endpoint", "nowhere")]);
    let message = load_all(yaml, &[("QTRAIL_LOG_LEVEL", "loud")], set)
        .err()
        .unwrap();
    for part in [
        "FILE:2: directory.settle: \"5 parsecs\" is not a duration: write it like 500ms",
        "FILE:4: limits.memory: \"lots\" is not a size",
        "FILE:5: limits.depth: \"0\" is not a whole number of at least 4",
        "FILE:6: select: \"none\" is not one of amazon-q, agents, all",
        "QTRAIL_LOG_LEVEL: log.level: \"loud\" is not a level",
        "--endpoint: export.endpoint: \"nowhere\" has no scheme",
    ] {
        assert!(message.contains(part), "{part}\nnot in\n{message}");
    }
}

#[test]
fn a_file_that_is_not_yaml_or_is_missing_is_an_error() {
    assert!(error("a: [1,\n").starts_with("FILE:"));
    assert!(error("state: /a\nstate: /b\n").contains("FILE:2"));
    assert!(error("- a\n").contains("must have keys"));
    let absent = load(
        Some(Path::new("/no/such.yaml")),
        &env(&[]),
        Flags::default(),
    );
    assert!(absent.err().unwrap().to_string().contains("/no/such.yaml"));
    assert!(load_all("", &[], Flags::default()).is_ok());
    assert!(load_all("# only a comment\nexport:\n", &[], Flags::default()).is_ok());
}

#[test]
fn values_come_from_the_environment_and_from_files() {
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "s3cret\n").unwrap();
    let yaml = format!(
        "export:\n  endpoint: http://${{env:HOST:-local}}:1\n  headers:\n    authorization: Bearer ${{file:{}}}\n    x-dollar: a$$b\n",
        token.path().display()
    );
    let config = load_all(&yaml, &[("HOST", "otel")], Flags::default())
        .ok()
        .unwrap()
        .config;
    let (logs, _) = endpoints(&config);
    assert_eq!(logs.url.host(), Some("otel"));
    assert_eq!(logs.headers["authorization"], "Bearer s3cret");
    assert_eq!(logs.headers["x-dollar"], "a$b");
    assert!(
        error("state: ${env:NOT_SET}").contains("FILE:1: state: the variable NOT_SET is not set")
    );
}

#[test]
fn secrets_are_in_no_text_that_is_shown() {
    let yaml =
        "export:\n  endpoint: http://user:s3cret@host:4317\n  headers: {x-api-key: s3cret}\n";
    let set = flags(&[("export.headers", "--header", "authorization=Bearer s3cret")]);
    let variables = [
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=s3cret"),
        ("QTRAIL_TELEMETRY_HEADERS", "b=s3cret"),
    ];
    let loaded = load_all(yaml, &variables, set).ok().unwrap();
    let printed = loaded.to_string();
    assert!(!printed.contains("s3cret"), "{printed}");
    assert!(printed.contains("[secret]@host:4317"), "{printed}");
    assert!(!loaded.notes.concat().contains("s3cret"));
    let (logs, _) = endpoints(&loaded.config);
    assert_eq!(logs.url, "http://host:4317/");
    assert_eq!(
        logs.headers["authorization"], "Bearer s3cret",
        "the flag's own header stays"
    );
    for wrong in [
        "export: {headers: {x-key: \"s3cret\\n\"}}",
        "export: {headers: {\"bad name\": s3cret}}",
        "export: {headers: [s3cret]}",
        "export: {headers: {a: {b: s3cret}}}",
        "export: {endpoint: 'http://user:s3cret@'}",
        "export: {endpoint: 'ftp://user:s3cret@host'}",
        "export: {headers: {a: 's3cret}",
    ] {
        let message = error(wrong);
        assert!(!message.contains("s3cret"), "{wrong} gives {message}");
    }
}

#[test]
fn a_password_in_the_url_becomes_a_header() {
    let config = from_yaml("export: {endpoint: 'https://us%40er:pw@host:4317'}");
    // base64 of `us@er:pw`
    assert_eq!(
        endpoints(&config).0.headers["authorization"],
        "Basic dXNAZXI6cHc="
    );
}

#[test]
fn a_query_of_the_endpoint_is_sent_but_not_shown() {
    let yaml = "export: {protocol: http/json, endpoint: 'https://h:1/base?token=s3cret'}";
    let loaded = load_all(yaml, &[], Flags::default()).unwrap_or_else(|e| panic!("{e}"));
    let printed = loaded.to_string();
    assert!(!printed.contains("s3cret"), "{printed}");
    let Destination::Otlp { logs, .. } = &loaded.config.export.destination else {
        panic!("a collector");
    };
    assert_eq!(logs.url, "https://h:1/base/v1/logs?token=s3cret");
}

#[test]
fn a_problem_of_a_value_for_both_signals_is_reported_once() {
    let message = error("export: {timeout: -5s, endpoint: 'ftp://x'}");
    assert_eq!(message.lines().count(), 2, "{message}");
    assert!(message.contains("is not an OTLP endpoint"), "{message}");
}

#[test]
fn printed_configuration_reads_back_as_the_same() {
    let yaml = "directory:\n  path: /d\n  include: ['**/*.gz', 'a b']\n  after: {move: /done}\nselect: all\n\
        agents: {codes: {AX: Kiro IDE}, services: ['aws-mcp.*.api.aws']}\n\
        resource: {attributes: {a: '007', 'b c': 'x: y', d: $$e}}\nredact: {users: drop}\n\
        export:\n  file: '-'\n  traces: {timeout: 3s}\nsignals: [logs]\ntelemetry: {http: none}\n";
    let first = load_all(yaml, &[], Flags::default()).ok().unwrap();
    let printed = first.to_string();
    let second =
        load_all(&printed, &[], Flags::default()).unwrap_or_else(|e| panic!("{e}\n{printed}"));
    assert_eq!(
        format!("{:?}", first.config.convert),
        format!("{:?}", second.config.convert)
    );
    assert_eq!(
        format!("{:?}", first.config.export),
        format!("{:?}", second.config.export)
    );
    assert_eq!(
        format!("{:?}", first.config.directory),
        format!("{:?}", second.config.directory)
    );
    assert_eq!(first.config.lists, second.config.lists);
    assert_eq!(second.config.lists.agents.codes["AX"], "Kiro IDE");
    assert!(printed.contains("select: all  # /"), "{printed}");
    assert!(printed.contains("settle: 5s  # default"), "{printed}");
}

#[test]
fn start_and_after_take_words_and_their_arguments() {
    let directory = |yaml: &str| {
        from_yaml(&format!("directory:\n  path: /d\n{yaml}"))
            .directory
            .unwrap()
    };
    assert_eq!(directory("").start, Start::Beginning);
    assert_eq!(directory("  start: end").start, Start::End);
    assert_eq!(
        directory("  start: {since: 1970-01-01T00:00:01Z}").start,
        Start::Since(1_000_000_000)
    );
    assert_eq!(
        directory("  start: 'since: 1970-01-01T00:00:01Z'").start,
        Start::Since(1_000_000_000)
    );
    assert_eq!(
        directory("  after: {move: /done}").after,
        After::Move("/done".into())
    );
    assert_eq!(directory("  after: delete").after, After::Delete);
    assert!(error("directory: {path: /d, start: {since: noon}}").contains("2026-01-31"));
    assert!(error("directory: {path: /d, after: shred}").contains("move: DIR"));
}

#[test]
fn every_key_can_be_set_by_its_variable() {
    for (variable, value, check) in [
        (
            "QTRAIL_DIRECTORY_PATH",
            "/d",
            (|c| c.directory.is_some()) as fn(&Config) -> bool,
        ),
        ("QTRAIL_STATE", "/s", |c| {
            c.dead_letters.path.starts_with("/s")
        }),
        ("QTRAIL_SIGNALS", "logs", |c| {
            !c.convert.traces && c.convert.logs
        }),
        ("QTRAIL_TRACES_CLASSES", "code, other", |c| {
            c.convert.trace_classes == Some([Class::Code, Class::Other].into())
        }),
        ("QTRAIL_RESOURCE_ATTRIBUTES", "a=b%2Cc,d=e", |c| {
            c.convert.resource == [("a".into(), "b,c".into()), ("d".into(), "e".into())]
        }),
        ("QTRAIL_EXPORT_LOGS_ENDPOINT", "http://l:1", |c| {
            let (logs, traces) = endpoints(c);
            (logs.url.host(), traces.url.host()) == (Some("l"), Some("localhost"))
        }),
        ("QTRAIL_EXPORT_HEADERS", "a=b", |c| {
            endpoints(c).0.headers.len() == 1
        }),
        ("QTRAIL_EXPORT_RATE_LIMIT", "50", |c| {
            c.export.rate_limit == Some(50)
        }),
        ("QTRAIL_BODY", "none", |c| {
            c.convert.maps && c.convert.body == Body::None
        }),
        ("QTRAIL_TELEMETRY_HTTP", "none", |c| {
            c.telemetry.http.is_none()
        }),
        ("QTRAIL_AMAZON_Q_SERVICES", "a.amazonaws.com,b", |c| {
            c.lists.services.len() == 2
        }),
    ] {
        assert!(!check(&from_env(&[]).config), "{variable} is no change");
        assert!(check(&from_env(&[(variable, value)]).config), "{variable}");
        assert!(
            !check(&from_env(&[(variable, " ")]).config),
            "an empty {variable} counts as unset"
        );
    }
}

#[test]
fn a_misspelt_variable_is_told_and_those_of_kubernetes_are_not() {
    let notes = from_env(&[
        ("QTRAIL_ENDPOINT", "http://x:1"),
        ("QTRAIL_SERVICE_HOST", "10.0.0.1"),
        ("QTRAIL_PORT_4317_TCP", "tcp://10.0.0.1:4317"),
        ("QTRAIL_CONFIG", "x.yaml"),
    ])
    .notes;
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("QTRAIL_EXPORT_ENDPOINT"));
}

#[test]
fn the_state_directory_is_systemds_else_the_users() {
    for (variables, expected) in [
        (
            &[("STATE_DIRECTORY", "/var/lib/q:/b"), ("HOME", "/h")][..],
            "/var/lib/q",
        ),
        (&[("XDG_STATE_HOME", "/x"), ("HOME", "/h")], "/x/qtrail"),
        (&[("HOME", "/h")], "/h/.local/state/qtrail"),
        (&[], "/var/lib/qtrail"),
    ] {
        let dead_letters = from_env(variables).config.dead_letters.path;
        assert_eq!(dead_letters.parent(), Some(Path::new(expected)));
    }
}

#[test]
fn the_strongest_source_chooses_between_a_file_and_a_collector() {
    let both = error("export: {file: out.jsonl, endpoint: 'http://x:1'}");
    assert!(both.contains("remove one of the two"), "{both}");
    let load = |yaml, set| {
        load_all(yaml, &[], set)
            .ok()
            .unwrap()
            .config
            .export
            .destination
    };
    let file = load(
        "export: {endpoint: 'http://x:1'}",
        flags(&[("export.file", "--output", "-")]),
    );
    assert!(matches!(file, Destination::Stdout));
    let set = flags(&[("export.endpoint", "--endpoint", "http://x:1")]);
    assert!(matches!(
        load("export: {file: out.jsonl}", set),
        Destination::Otlp { .. }
    ));
}

#[test]
fn what_qtrail_writes_may_not_lie_where_it_reads() {
    let inside = "directory: {path: /d}\ndead_letters: {path: /d/dead.jsonl}\n";
    assert!(
        error(inside).contains("FILE:2: dead_letters.path: /d/dead.jsonl would be read as input")
    );
    from_yaml("directory: {path: /d, include: ['**/*.gz']}\ndead_letters: {path: /d/dead.jsonl}\n");
    from_yaml("directory: {path: /d, exclude: ['dead*']}\ndead_letters: {path: /d/dead.jsonl}\n");
    assert!(error("directory: {path: /d, after: {move: /d/done}}").contains("directory.exclude"));
}

#[test]
fn people_are_read_from_a_file_whose_problems_are_all_told() {
    let csv = tempfile::NamedTempFile::new().unwrap();
    let yaml = format!("identities: {}", csv.path().display());
    std::fs::write(csv.path(), "id,name\nu-1,Ana,AKIAEXAMPLE\n").unwrap();
    let config = from_yaml(&yaml);
    assert_eq!(
        config.convert.identities.find("AKIAEXAMPLE").unwrap().id,
        "u-1"
    );
    assert_eq!(config.identities.as_deref(), Some(csv.path()));
    std::fs::write(csv.path(), "only-an-id\n,nobody\n").unwrap();
    let message = error(&yaml);
    let path = csv.path().display();
    for line in [1, 2] {
        let place = format!("FILE:1: identities: {path}:{line}: ");
        assert!(message.contains(&place), "{message}");
    }
}

#[test]
fn limits_that_cannot_work_together_are_refused() {
    assert!(error("limits: {memory: 1MiB}").contains("limits.event_bytes"));
    assert!(error("export: {retry: {initial: 1m, max: 1s}}").contains("export.retry.max"));
    assert!(error("export: {tls: {cert_file: /c.pem}}").contains("key_file"));
    assert!(error("signals: []").contains("signals: is empty"));
    assert!(error("signals: [metrics]").contains("logs, traces"));
    assert!(error("redact: {pointers: [a.b]}").contains("/requestParameters"));
}

#[test]
fn a_run_needs_an_input_and_names_the_collector_it_assumes() {
    assert!(
        from_env(&[])
            .for_run()
            .err()
            .unwrap()
            .to_string()
            .contains("qtrail run DIR")
    );
    let assumed = from_env(&[("QTRAIL_DIRECTORY_PATH", "/d")])
        .for_run()
        .ok()
        .unwrap();
    assert!(
        assumed.notes[0].contains("http://localhost:4317"),
        "{:?}",
        assumed.notes
    );
    let named = [
        ("QTRAIL_DIRECTORY_PATH", "/d"),
        ("QTRAIL_EXPORT_ENDPOINT", "http://x:1"),
    ];
    assert!(from_env(&named).for_run().ok().unwrap().notes.is_empty());
}

#[test]
fn a_credential_without_tls_is_told_where_it_leaves_the_host() {
    let notes = |url: &str, header: &str| {
        let yaml = format!("export: {{endpoint: '{url}', headers: {{{header}: s3cret}}}}");
        load_all(&yaml, &[], Flags::default()).ok().unwrap().notes
    };
    let told = notes("http://otel.example.com:1", "authorization");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("https://") && !told[0].contains("s3cret"));
    assert!(notes("https://otel.example.com:1", "authorization").is_empty());
    assert!(notes("http://127.0.0.1:1", "authorization").is_empty());
    assert!(notes("http://otel:1", "x-scope-orgid").is_empty());
}

#[cfg(feature = "aws")]
#[test]
fn what_the_event_history_asks_for_again_is_still_known() {
    let with = |history: &str| {
        let yaml =
            format!("event_history:\n  enabled: true\n  {history}\nduplicates:\n  max_age: 2h\n");
        load_all(&yaml, &[], Flags::default()).map(|loaded| loaded.config)
    };
    let config = with("overlap: 119m").unwrap_or_else(|error| panic!("{error}"));
    let settings = config.event_history.expect("it is enabled");
    assert_eq!(
        settings.overlap + settings.interval,
        Duration::from_secs(7200)
    );
    let error = with("overlap: 120m").map(drop).unwrap_err();
    assert!(
        error.contains("event_history.overlap") && error.contains("duplicates.max_age"),
        "{error}"
    );
}

#[cfg(feature = "aws")]
#[test]
fn a_queue_has_a_url_without_a_password_and_a_visibility_that_sqs_allows() {
    let problem = |yaml: &str| load_all(yaml, &[], Flags::default()).map(drop).unwrap_err();
    let told = problem("s3: {queues: ['https://user:secret@host/1/trail']}");
    assert!(
        told.contains("s3.queues") && !told.contains("secret"),
        "{told}"
    );
    for visibility in ["1s", "4s", "5500ms", "43201s"] {
        let told = problem(&format!("s3: {{visibility: {visibility}}}"));
        assert!(told.contains("s3.visibility"), "{visibility}: {told}");
    }
    for visibility in ["5s", "12h"] {
        let yaml = format!("s3: {{visibility: {visibility}}}");
        assert!(
            load_all(&yaml, &[], Flags::default()).is_ok(),
            "{visibility}"
        );
    }
}
