//! Every configuration key, once: its name, its type, its default, its meaning.
//!
//! Enters: nothing. Leaves: the table from which the file is read, the `QTRAIL_*` variables are
//! named, `--print-config` is written and `docs/configuration.md` is made. What must hold: a key
//! that is not here does not exist.

/// What a value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A file or directory.
    Path,
    /// `true` or `false`.
    Bool,
    /// A whole number, at least this.
    Count(u64),
    /// A time span, such as `1m30s`.
    Duration,
    /// Bytes, such as `64MiB`.
    Size,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// One of these words; the one in capitals stands for a text: `move: DIR`.
    Variant(&'static [&'static str]),
    /// Several texts.
    List,
    /// Several of these words.
    Choices(&'static [&'static str]),
    /// Names and values.
    Map,
    /// Names and values that are secret: never shown.
    Secrets,
    /// An `http://` or `https://` URL.
    Url,
    /// `host:port`, or `none`.
    Address,
    /// `host`, `host:port` or `unix:PATH`, or `none`; the port stands for the one that is not named.
    Listen(u16),
}

/// One key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its path in the file, with dots.
    pub name: &'static str,
    /// What its value looks like.
    pub kind: Kind,
    /// Its default, as one would write it; empty: none, or as `help` says.
    pub default: &'static str,
    /// What it means, in Markdown.
    pub help: &'static str,
}

/// Values of `log.format`.
pub const LOG_FORMATS: [&str; 2] = ["text", "json"];
/// Values of `export.protocol`.
pub const PROTOCOLS: [&str; 3] = ["grpc", "http/protobuf", "http/json"];
/// Values of `signals`.
pub const SIGNALS: [&str; 2] = ["logs", "traces"];
/// Values of `select`.
pub const SELECTS: [&str; 2] = ["amazon-q", "all"];

pub(super) const BODIES: [&str; 3] = ["original", "map", "none"];
pub(super) const SERVICE_NAMES: [&str; 2] = ["amazon-q", "event-source"];
pub(super) const COMPRESSIONS: [&str; 2] = ["none", "gzip"];
pub(super) const WHEN_FULL: [&str; 2] = ["wait", "rotate"];
pub(super) const KEEP_DROP: [&str; 2] = ["keep", "drop"];
pub(super) const CLASSES: [&str; 8] = [
    "conversation",
    "pass_request",
    "on_behalf_of",
    "agent_call",
    "code",
    "telemetry",
    "administration",
    "other",
];

/// The prefix under which a key of one signal's export is found; each key of [`SIGNAL_KEYS`] may
/// stand under `export.logs` and `export.traces` too.
pub(super) const SIGNAL_KEYS: [&str; 8] = [
    "endpoint",
    "protocol",
    "headers",
    "compression",
    "timeout",
    "tls.ca_file",
    "tls.cert_file",
    "tls.key_file",
];

const fn key(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Key {
    Key {
        name,
        kind,
        default,
        help,
    }
}

/// All keys, in the order of the documentation. What belongs together shares its first word.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    key("directory.path", Kind::Path, "", "The directory to watch, with all below it. The command line's `DIR`."),
    key("directory.include", Kind::List, "", "Files to read: globs over the path below `directory.path`, such as `**/*.json.gz`. None: all."),
    key("directory.exclude", Kind::List, "", "Files to leave alone, likewise."),
    key("directory.settle", Kind::Duration, "5s", "How long a file must be quiet before it counts as complete, unless its writer closed it or renamed it in."),
    key("directory.rescan", Kind::Duration, "1m", "How often the whole tree is listed, beside notifications."),
    key("directory.poll", Kind::Bool, "false", "Use no notifications, only listings: for network mounts."),
    key("directory.start", Kind::Variant(&["beginning", "end", "since: TIME"]), "beginning", "What the first run reads: everything that is there, only what comes, or what was delivered since a time (RFC 3339)."),
    key("directory.after", Kind::Variant(&["keep", "delete", "move: DIR"]), "keep", "What becomes of a file once all of it was delivered. A file with dead letters stays, and so does one that can still grow (lines, compressed or not) until it is rotated."),
    key("directory.workers", Kind::Count(1), "", "Files read at once. Default: the number of processors, but 2 to 4."),
    key("directory.idle_files_warning", Kind::Count(1), "1000", "Files without one wanted event before a warning says so."),

    key("ingest.grpc.listen", Kind::Listen(4319), "", "Where events are taken over gRPC (the ingest service and OTLP). Beyond loopback it takes `ingest.tls` or `ingest.insecure: true`, and `ingest.token_files`, `ingest.tls.client_ca_file` or `ingest.anonymous: true`. Default: nowhere."),
    key("ingest.http.listen", Kind::Listen(4320), "", "Where events are taken over HTTP (`/v1/events`, `/v1/firehose`, OTLP's `/v1/logs`). Beyond loopback it takes the same. Default: nowhere."),
    key("ingest.insecure", Kind::Bool, "false", "Listen in plain text beyond loopback: whoever is on the way can read and change what is sent, tokens too."),
    key("ingest.anonymous", Kind::Bool, "false", "Take events from anyone beyond loopback, without a token or a client certificate: whoever reaches the address can write into the trail."),
    key("ingest.token_files", Kind::List, "", "Files of bearer tokens, one a line, read again when they change. A sender must have one of them. None: no token is asked for."),
    key("ingest.tls.cert_file", Kind::Path, "", "The server's certificate chain (PEM). Read again when it changes."),
    key("ingest.tls.key_file", Kind::Path, "", "The server's private key (PEM)."),
    key("ingest.tls.client_ca_file", Kind::Path, "", "Certificate authorities (PEM) of clients. With it, every client needs a certificate (mTLS), but on a Unix socket."),
    key("ingest.limits.request_bytes", Kind::Size, "16MiB", "Bytes of one request, or one message of a stream, as it arrives. Firehose sends up to 64 MiB, if its buffer is set so."),
    key("ingest.limits.inflated_bytes", Kind::Size, "256MiB", "Inflated bytes of one request."),
    key("ingest.limits.in_flight_bytes", Kind::Size, "64MiB", "Bytes of all requests that are not yet answered. Beyond it, senders are slowed down or told to come again."),
    key("ingest.limits.connections", Kind::Count(1), "512", "Connections to each of the two listeners. Beyond it, the one that has been idle for longest is closed for a new one."),
    key("ingest.limits.streams", Kind::Count(1), "100", "Calls under way on one HTTP/2 connection."),
    key("ingest.limits.header_timeout", Kind::Duration, "10s", "How long a TLS handshake, or the headers of a request, may take, and how long an HTTP/1.1 connection is kept between requests."),
    key("ingest.limits.body_timeout", Kind::Duration, "30s", "How long the body of a request, or one message of a stream, may take once it has begun."),

    key("s3.queues", Kind::List, "", "URLs of SQS queues that announce new S3 objects: see [s3.md](s3.md). Takes a qtrail with the `aws` feature."),
    key("s3.buckets", Kind::List, "", "Buckets that messages may have read, by name or by patterns with `*` and `?`. Default: those that the queue's own policy names (`aws:SourceArn`); where it names none, all, with a warning. An object of another bucket goes to the dead letters by its name."),
    key("s3.expected_bucket_owner", Kind::Text, "", "The account, 12 digits, that owns the buckets: S3 refuses each request to a bucket of another."),
    key("s3.inline_events", Kind::Bool, "false", "Read CloudTrail events that stand in the messages themselves. Whoever may send to the queue can make such events up; without this they go to the dead letters."),
    key("s3.include", Kind::List, "", "Objects to read: globs over the key, such as `**/CloudTrail/**`. None: all. What is left alone costs no request."),
    key("s3.exclude", Kind::List, "**/CloudTrail-Digest/**", "Objects to leave alone, likewise."),
    key("s3.fetchers", Kind::Count(1), "16", "Objects that are worked on at once."),
    key("s3.in_flight_bytes", Kind::Size, "64MiB", "Bytes of objects that are held in memory, all together."),
    key("s3.object_bytes", Kind::Size, "1GiB", "Bytes of one object as it is stored. A larger one goes to the dead letters by its name."),
    key("s3.visibility", Kind::Duration, "1m", "How long a message stays hidden from other replicas, 5 seconds at least; extended while it is worked on. Who is killed gives its messages back after this time."),
    key("s3.max_receives", Kind::Count(1), "5", "How often a message may fail by its own fault before it goes to the dead letters. A queue with a redrive policy decides that itself."),
    key("s3.requester_pays", Kind::Bool, "false", "Pay for requests to buckets of others that ask for it."),

    key("event_history.enabled", Kind::Bool, "false", "Read CloudTrail's Event history, for accounts without a trail: see [s3.md](s3.md#event-history). Takes a qtrail with the `aws` feature."),
    key("event_history.regions", Kind::List, "", "Regions whose history is read. Default: `aws.region`."),
    key("event_history.event_sources", Kind::List, "", "Event sources to ask for, such as `q.amazonaws.com`. None: all events, and with them what Amazon Q called in other services."),
    key("event_history.start", Kind::Duration, "1h", "How far back the first run reads, at most 90 days (`90d`)."),
    key("event_history.interval", Kind::Duration, "1m", "How often it is asked for what is new."),
    key("event_history.overlap", Kind::Duration, "30m", "How far each question reaches back behind the last one, for events that come late; the window of duplicates drops what is known."),

    key("aws.region", Kind::Text, "", "The region of what names none. Default: what the AWS SDK finds (`AWS_REGION`, the profile, the instance)."),
    key("aws.endpoint_url", Kind::Url, "", "Another endpoint for all of AWS's services, such as a VPC endpoint or a test server. Default: `AWS_ENDPOINT_URL`, else AWS's own."),
    key("aws.path_style", Kind::Bool, "false", "Name buckets in the path instead of the host: for S3 servers of others."),
    key("aws.assume_role.arn", Kind::Text, "", "A role to assume, for queues and buckets of another account."),
    key("aws.assume_role.external_id", Kind::Text, "", "The external id that the role's trust policy asks for."),
    key("aws.assume_role.session_name", Kind::Text, "qtrail", "What the session is called in the other account's own trail."),

    key("state", Kind::Path, "", "The directory in which qtrail remembers what was delivered. Default: `$STATE_DIRECTORY` (which systemd sets), else `$XDG_STATE_HOME/qtrail`, else `~/.local/state/qtrail`."),

    key("select", Kind::Choice(&SELECTS), "amazon-q", "Which events are kept: what Amazon Q did, or every record."),
    key("amazon_q.services", Kind::List, "", "Event sources and invoking services that are Amazon Q's. Default: the list in [mapping.md](mapping.md)."),
    key("amazon_q.user_agents", Kind::List, "", "Parts of the user agents of Amazon Q's own clients. Default: the list in [mapping.md](mapping.md)."),
    key("duplicates.drop", Kind::Bool, "true", "Whether an event that was delivered before is dropped and counted: see [operations.md](operations.md#duplicates)."),
    key("duplicates.max_ids", Kind::Count(1), "1000000", "Ids of delivered events that are known, at most; the oldest goes first. A million take 33 MB of memory and 26 MB of disk."),
    key("duplicates.max_age", Kind::Duration, "24h", "How long an id is known."),

    key("limits.memory", Kind::Size, "128MiB", "Records, payloads and dead letters in flight, and what is held of large records while they are read, over all inputs."),
    key("limits.inflated_bytes", Kind::Size, "4GiB", "Inflated bytes of one file."),
    key("limits.event_bytes", Kind::Size, "2MiB", "Bytes of one event. CloudTrail's own maximum is 1 MiB."),
    key("limits.depth", Kind::Count(4), "64", "Levels of nesting inside one event."),
    key("limits.events", Kind::Count(1), "10000000", "Events in one file."),

    key("signals", Kind::Choices(&SIGNALS), "logs, traces", "What is made of an event."),
    key("traces.classes", Kind::Choices(&CLASSES), "", "Classes of events of which spans are made; the others are log records only. Default: all."),
    key("body", Kind::Choice(&BODIES), "original", "What a log record's body holds: the record's own text, the same as a map, or nothing."),
    key("maps", Kind::Bool, "", "Carry the record's objects as map attributes of the log record. Default: `false` with `body: original`, which has them already, else `true`."),
    key("service_name", Kind::Choice(&SERVICE_NAMES), "amazon-q", "What becomes `service.name`: `amazon-q` for all that Amazon Q did, or each event's source."),
    key("resource.attributes", Kind::Map, "", "Resource attributes to add to every event."),
    key("gen_ai.provider_name", Kind::Text, "aws.q_developer", "What becomes `gen_ai.provider.name`."),
    key("identities", Kind::Path, "", "A CSV file of `id,name` lines: names of people by `enduser.id`."),

    key("redact.keys", Kind::List, "", "Names of keys to mask wherever they stand, beside the secrets that always are; compared without case, `_` and `-`."),
    key("redact.pointers", Kind::List, "", "JSON pointers to mask, such as `/requestParameters/bucketName`."),
    key("redact.access_key_id", Kind::Choice(&KEEP_DROP), "keep", "`accessKeyId`."),
    key("redact.source_ip", Kind::Choice(&KEEP_DROP), "keep", "`sourceIPAddress`."),
    key("redact.users", Kind::Choice(&KEEP_DROP), "keep", "User names and ids."),

    key("export.endpoint", Kind::Url, "http://localhost:4317", "The collector. Over HTTP, `/v1/logs` and `/v1/traces` are appended, and the default is `http://localhost:4318`."),
    key("export.protocol", Kind::Choice(&PROTOCOLS), "grpc", "How events are carried."),
    key("export.headers", Kind::Secrets, "", "Sent with every request. Values are never shown; `${file:/run/secrets/token}` keeps them out of this file."),
    key("export.compression", Kind::Choice(&COMPRESSIONS), "none", "Whether requests are compressed."),
    key("export.timeout", Kind::Duration, "10s", "The bound on one request."),
    key("export.tls.ca_file", Kind::Path, "", "Certificate authorities (PEM) to trust instead of the system's. Read again when it changes."),
    key("export.tls.cert_file", Kind::Path, "", "The client's certificate chain (PEM), for mTLS. Read again when it changes."),
    key("export.tls.key_file", Kind::Path, "", "The client's private key (PEM)."),
    key("export.file", Kind::Path, "", "Append OTLP JSON lines to this file instead of sending; `-` is standard output."),
    key("export.batch.events", Kind::Count(1), "2000", "Events in one request, at most. A request leaves earlier when the input runs dry."),
    key("export.batch.bytes", Kind::Size, "2MiB", "Bytes of one request before compression, at most. Collectors take 4 MiB over gRPC unless told otherwise."),
    key("export.batch.spread", Kind::Duration, "", "Time between the oldest and the newest event of one request, at most: some back ends refuse more (`24h` for CloudWatch Logs). Default: no limit."),
    key("export.concurrency", Kind::Count(1), "4", "Requests under way at once, each signal."),
    key("export.retry.initial", Kind::Duration, "1s", "The first wait after a failure; it doubles, with jitter."),
    key("export.retry.max", Kind::Duration, "30s", "The longest wait between two tries."),
    key("export.give_up_after", Kind::Duration, "", "End with exit code 1 once nothing was accepted for so long although events wait; `0s`: never. Default: never for `run`; 5 minutes for `run --once`, `convert`, `replay` and `backfill`."),
    key("export.rate_limit", Kind::Count(1), "", "Events a second, at most. Default: no limit."),

    key("dead_letters.path", Kind::Path, "", "Where records go that cannot be delivered. Default: `dead-letters.jsonl` in the `state` directory. The file holds unredacted records; its mode is 0600."),
    key("dead_letters.max_bytes", Kind::Size, "64MiB", "Bytes of the file before it is rotated."),
    key("dead_letters.keep", Kind::Count(1), "10", "Rotated files that are kept."),
    key("dead_letters.when_full", Kind::Choice(&WHEN_FULL), "", "What happens when all of them are full: deliver nothing more until somebody makes room, or erase the oldest file. Default: `wait` where `ingest` listens, as what was sent cannot be read again, else `rotate`. See [operations.md](operations.md#full-dead-letters)."),
    key("dead_letters.max_record_bytes", Kind::Size, "2MiB", "Bytes of one record that are kept; of a larger one in a file or an object, its place and SHA-256. What a sender pushed is kept whole, since nobody else has it."),
    key("dead_letters.unit_letters", Kind::Count(1), "1000", "Dead letters of one file, object or request. What is refused beyond is counted, and told in one letter more."),
    key("dead_letters.unit_bytes", Kind::Size, "16MiB", "Bytes of the records that are kept of one file, object or request; of those beyond, place and SHA-256."),

    key("shutdown.timeout", Kind::Duration, "15s", "How long SIGTERM waits for the collector before what is in flight is left for the next start."),

    key("log.level", Kind::Text, "info", "What is logged to standard error: a level, or a filter such as `info,qtrail::export=debug`."),
    key("log.format", Kind::Choice(&LOG_FORMATS), "text", "How log lines look."),
    key("telemetry.http", Kind::Address, "127.0.0.1:9465", "Where `/metrics`, `/livez` and `/readyz` are served; `none`: nowhere."),
    key("telemetry.endpoint", Kind::Url, "", "A collector (gRPC) for qtrail's own metrics, traces and logs. Never inherited from `export.endpoint` or `OTEL_EXPORTER_OTLP_*`."),
    key("telemetry.headers", Kind::Secrets, "", "Sent with qtrail's own telemetry."),
];

/// The key of this name; `export.logs.protocol` is found as `export.protocol`.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    let base = base(name);
    KEYS.iter().find(|key| key.name == base)
}

/// The general key of a signal's own: `export.logs.protocol` → `export.protocol`.
fn base(name: &str) -> std::borrow::Cow<'_, str> {
    for signal in SIGNALS {
        if let Some(rest) = name
            .strip_prefix("export.")
            .and_then(|r| r.strip_prefix(signal))
            .and_then(|r| r.strip_prefix('.'))
            && SIGNAL_KEYS.contains(&rest)
        {
            return format!("export.{rest}").into();
        }
    }
    name.into()
}

/// The names of all keys, those of a signal's own too.
pub(super) fn names() -> impl Iterator<Item = String> {
    let own = SIGNALS.into_iter().flat_map(|signal| {
        SIGNAL_KEYS
            .into_iter()
            .map(move |rest| format!("export.{signal}.{rest}"))
    });
    KEYS.iter().map(|key| key.name.to_owned()).chain(own)
}

/// Whether keys stand below this name.
pub(super) fn is_group(name: &str) -> bool {
    let below = |key: String| {
        key.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('.'))
    };
    names().any(below)
}

/// The key that an unknown one was meant to be: one with the same last word, else the one that is
/// spelt most alike.
pub(super) fn nearest(name: &str) -> Option<String> {
    let last = |name: &str| name.rsplit('.').next().map(str::to_owned);
    let alike = |key: &str| strsim::jaro_winkler(key, name);
    let mut groups_and_keys: Vec<_> = names().collect();
    groups_and_keys
        .extend(names().filter_map(|key| key.rsplit_once('.').map(|(group, _)| group.to_owned())));
    let spelt = groups_and_keys
        .iter()
        .filter(|key| strsim::damerau_levenshtein(key, name) <= (name.len() / 4).max(2))
        .max_by(|a, b| alike(a).total_cmp(&alike(b)));
    spelt
        .cloned()
        .or_else(|| names().find(|key| last(key) == last(name)))
}

/// The environment variable of a key: `export.endpoint` → `QTRAIL_EXPORT_ENDPOINT`.
pub(super) fn variable(name: &str) -> String {
    format!("QTRAIL_{}", name.replace('.', "_").to_uppercase())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_their_variables_are_unique() {
        let names: Vec<_> = names().collect();
        let variables: BTreeSet<_> = names.iter().map(|n| variable(n)).collect();
        assert_eq!(names.len(), variables.len());
        assert!(names.iter().all(|n| find(n).is_some()));
    }

    #[test]
    fn a_signals_own_key_has_the_type_of_the_general_one() {
        assert_eq!(find("export.logs.tls.ca_file"), find("export.tls.ca_file"));
        assert_eq!(find("export.logs.batch.events"), None);
    }
}
