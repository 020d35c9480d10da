//! Every configuration key, once: its name, its type, its default, its meaning.
//!
//! Enters: nothing. Leaves: the table that the file and the `QTRAIL_*` variables are read with, and that
//! `--print-config`, `docs/configuration.md` and `docs/config.schema.json` are generated from. What must hold:
//! a key that is not in the table does not exist.

/// The type of a value.
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
    /// One of these words; a word in capitals stands for any text: `move: DIR`.
    Variant(&'static [&'static str]),
    /// Several texts.
    List,
    /// Several of these words.
    Choices(&'static [&'static str]),
    /// Names and values.
    Map,
    /// A text that is never shown.
    Secret,
    /// Names and secret values, which are never shown.
    Secrets,
    /// An `http://` or `https://` URL.
    Url,
    /// `host:port`, or `none`.
    Address,
    /// `host`, `host:port`, `unix:PATH` or `none`, with the default port.
    Listen(u16),
}

/// One key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its path in the file, with dots.
    pub name: &'static str,
    /// The type of its value.
    pub kind: Kind,
    /// Its default, as written in the file; empty: none, or described in `help`.
    pub default: &'static str,
    /// Its meaning, in Markdown.
    pub help: &'static str,
}

/// Values of `log.format`.
pub const LOG_FORMATS: [&str; 2] = ["text", "json"];
/// Values of `export.protocol`.
pub const PROTOCOLS: [&str; 3] = ["grpc", "http/protobuf", "http/json"];
/// Values of `signals`.
pub const SIGNALS: [&str; 2] = ["logs", "traces"];
/// Values of `select`.
pub const SELECTS: [&str; 3] = ["amazon-q", "agents", "all"];

pub(super) const BODIES: [&str; 3] = ["original", "map", "none"];
pub(super) const SERVICE_NAMES: [&str; 2] = ["amazon-q", "event-source"];
pub(super) const COMPRESSIONS: [&str; 2] = ["none", "gzip"];
pub(super) const WHEN_FULL: [&str; 2] = ["wait", "rotate"];
/// What becomes of a kind of value.
pub(super) const HIDE: [&str; 3] = ["keep", "drop", "hash"];
pub(super) const CLASSES: [&str; 11] = [
    "conversation",
    "pass_request",
    "on_behalf_of",
    "agent_call",
    "code",
    "telemetry",
    "administration",
    "investigation",
    "tool_call",
    "grant",
    "other",
];

/// Keys of `export` that may also be set for one signal, under `export.logs` and `export.traces`.
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

/// All keys, in the order of the documentation. Related keys share their first word.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    key("directory.path", Kind::Path, "", "The directory to watch, including its subdirectories. `DIR` on the command line."),
    key("directory.include", Kind::List, "", "Files to read: globs over the path below `directory.path`, such as `**/*.json.gz`. Default: all files."),
    key("directory.exclude", Kind::List, "", "Files to ignore, as globs over the same path."),
    key("directory.settle", Kind::Duration, "5s", "How long a file must be unchanged before it counts as complete, unless its writer closed it or moved it into the directory."),
    key("directory.rescan", Kind::Duration, "1m", "How often the whole tree is listed, in addition to file system notifications."),
    key("directory.poll", Kind::Bool, "false", "Only list the tree and use no notifications, for network mounts."),
    key("directory.start", Kind::Variant(&["beginning", "end", "since: TIME"]), "beginning", "What the first run reads: all existing files, only new files, or files delivered since a time (RFC 3339)."),
    key("directory.after", Kind::Variant(&["keep", "delete", "move: DIR"]), "keep", "What to do with a file once all of its events are delivered. Files with dead letters are kept, and so are files that can still grow (lines, compressed or not) until they are rotated."),
    key("directory.workers", Kind::Count(1), "", "Files to read at once. Default: the number of processors, but at least 2 and at most 4."),
    key("directory.idle_files_warning", Kind::Count(1), "1000", "Warn after this many files without a selected event."),

    key("ingest.grpc.listen", Kind::Listen(4319), "", "Where to accept events over gRPC (the ingest service and OTLP). An address other than loopback also needs `ingest.tls` or `ingest.insecure: true`, and `ingest.token_files`, `ingest.tls.client_ca_file` or `ingest.anonymous: true`. Default: do not listen."),
    key("ingest.http.listen", Kind::Listen(4320), "", "Where to accept events over HTTP (`/v1/events`, `/v1/firehose`, OTLP's `/v1/logs`). An address other than loopback needs the same keys as `ingest.grpc.listen`. Default: do not listen."),
    key("ingest.insecure", Kind::Bool, "false", "Allow plain text beyond loopback: anyone on the network path can read and change what is sent, tokens included."),
    key("ingest.anonymous", Kind::Bool, "false", "Accept events from anyone beyond loopback, without a token or a client certificate: whoever can reach the address can write into the trail."),
    key("ingest.token_files", Kind::List, "", "Files with bearer tokens, one per line, reloaded when they change. A sender must present one of them. Default: no token is required."),
    key("ingest.tls.cert_file", Kind::Path, "", "The server's certificate chain (PEM), reloaded when it changes."),
    key("ingest.tls.key_file", Kind::Path, "", "The server's private key (PEM)."),
    key("ingest.tls.client_ca_file", Kind::Path, "", "Certificate authorities (PEM) of clients. If set, every client needs a certificate (mTLS), except on a Unix socket."),
    key("ingest.limits.request_bytes", Kind::Size, "16MiB", "Maximum size of a request, or of a message in a stream, as received. Firehose sends up to 64 MiB if its buffer is that large."),
    key("ingest.limits.inflated_bytes", Kind::Size, "256MiB", "Maximum size of a request after decompression."),
    key("ingest.limits.in_flight_bytes", Kind::Size, "64MiB", "Maximum size of all requests that are not yet answered. Beyond it, senders are slowed down or told to retry."),
    key("ingest.limits.connections", Kind::Count(1), "512", "Maximum number of connections to each of the two listeners. At the limit, a new connection replaces the one that has been idle longest."),
    key("ingest.limits.streams", Kind::Count(1), "100", "Maximum number of concurrent calls on one HTTP/2 connection."),
    key("ingest.limits.header_timeout", Kind::Duration, "10s", "Time limit for a TLS handshake and for the headers of a request, and how long an idle HTTP/1.1 connection is kept open."),
    key("ingest.limits.body_timeout", Kind::Duration, "30s", "Time limit for the body of a request, or for a message in a stream, from its first byte."),

    key("s3.queues", Kind::List, "", "URLs of SQS queues that announce new S3 objects: see [s3.md](s3.md). Needs a qtrail with the `aws` feature."),
    key("s3.buckets", Kind::List, "", "Buckets to read from, by name or by pattern with `*` and `?`; a message for another bucket becomes a dead letter that names the object. Default: the buckets in the queue's own policy (`aws:SourceArn`), or all buckets, with a warning, if the policy names none."),
    key("s3.expected_bucket_owner", Kind::Text, "", "The account (12 digits) that must own the buckets: S3 rejects requests to buckets of other accounts."),
    key("s3.inline_events", Kind::Bool, "false", "Read CloudTrail events that are inside the messages. Anyone who can send to the queue can forge such events; without this key they become dead letters."),
    key("s3.include", Kind::List, "", "Objects to read: globs over the key, such as `**/CloudTrail/**`. Default: all objects. Ignored objects cost no request."),
    key("s3.exclude", Kind::List, "**/CloudTrail-Digest/**", "Objects to ignore, as globs over the key."),
    key("s3.fetchers", Kind::Count(1), "16", "Objects to process at once."),
    key("s3.in_flight_bytes", Kind::Size, "64MiB", "Maximum size of all objects in memory."),
    key("s3.object_bytes", Kind::Size, "1GiB", "Maximum size of an object as stored. A larger one becomes a dead letter that names the object."),
    key("s3.visibility", Kind::Duration, "1m", "How long a message stays hidden from other replicas, at least 5 seconds; extended while it is processed. If a replica is killed, its messages become visible again after this time."),
    key("s3.max_receives", Kind::Count(1), "5", "How often a message may be received and fail because of its own content before it becomes a dead letter. With a redrive policy, the queue decides instead."),
    key("s3.requester_pays", Kind::Bool, "false", "Pay for requests to requester-pays buckets of other accounts."),

    key("event_history.enabled", Kind::Bool, "false", "Read CloudTrail's Event history, for accounts without a trail: see [s3.md](s3.md#event-history). Needs a qtrail with the `aws` feature."),
    key("event_history.regions", Kind::List, "", "Regions to read. Default: `aws.region`."),
    key("event_history.event_sources", Kind::List, "", "Event sources to query, such as `q.amazonaws.com`. Default: all events, including the calls that Amazon Q made to other services."),
    key("event_history.start", Kind::Duration, "1h", "How far back the first run reads, at most 90 days (`90d`)."),
    key("event_history.interval", Kind::Duration, "1m", "How often to query for new events."),
    key("event_history.overlap", Kind::Duration, "30m", "How far each query overlaps the previous one, to catch late events; repeated events are dropped as duplicates."),

    key("identity_store.enabled", Kind::Bool, "false", "Look up the names of users of IAM Identity Center, and add them to log records as `user.full_name`: see [mapping.md](mapping.md#names-from-iam-identity-center). Needs a qtrail with the `aws` feature."),
    key("identity_store.region", Kind::Text, "", "The region of the Identity Center. Default: `aws.region`."),
    key("identity_store.expire", Kind::Duration, "7d", "How long a name is kept before it is looked up again."),

    key("aws.region", Kind::Text, "", "The region for requests that name none. Default: the region that the AWS SDK finds (`AWS_REGION`, the profile, the instance)."),
    key("aws.endpoint_url", Kind::Url, "", "Another endpoint for all AWS services, such as a VPC endpoint or a test server. Default: `AWS_ENDPOINT_URL`, else AWS's endpoints."),
    key("aws.path_style", Kind::Bool, "false", "Put bucket names in the path instead of the host name, for other S3 servers."),
    key("aws.assume_role.arn", Kind::Text, "", "A role to assume, for queues and buckets of another account."),
    key("aws.assume_role.external_id", Kind::Text, "", "The external id that the role's trust policy requires."),
    key("aws.assume_role.session_name", Kind::Text, "qtrail", "The session name, as it appears in the other account's trail."),

    key("state", Kind::Path, "", "The directory where qtrail remembers what it has delivered. Default: `$STATE_DIRECTORY` (set by systemd), else `$XDG_STATE_HOME/qtrail`, else `~/.local/state/qtrail`."),

    key("select", Kind::Choice(&SELECTS), "amazon-q", "Which events to keep: those of Amazon Q and Kiro, also those of other agents, or all. See [agents.md](agents.md)."),
    key("amazon_q.services", Kind::List, "", "Event sources and invoking services that belong to Amazon Q. Default: the list in [mapping.md](mapping.md)."),
    key("amazon_q.user_agents", Kind::List, "", "Substrings of the user agents of Amazon Q's own clients. Default: the list in [mapping.md](mapping.md)."),
    key("agents.services", Kind::List, "", "Event sources and invoking services of other agents, with `*` for one part of a name. Default: the list in [mapping.md](mapping.md#other-agents)."),
    key("agents.user_agents", Kind::List, "", "Products in the user agents of coding agents, such as `claude-code`. Default: the list in [mapping.md](mapping.md#other-agents)."),
    key("agents.codes", Kind::Map, "", "Names of coding agents by their code in the user agent of the AWS command line, such as `AN: Claude Code`. Default: the list in [mapping.md](mapping.md#other-agents)."),
    key("duplicates.drop", Kind::Bool, "true", "Drop and count events that were delivered before: see [operations.md](operations.md#duplicates)."),
    key("duplicates.max_ids", Kind::Count(1), "1000000", "How many ids of delivered events to remember; the oldest are forgotten first. A million take 33 MB of memory and 26 MB of disk."),
    key("duplicates.max_age", Kind::Duration, "24h", "How long to remember an id."),

    key("assemble", Kind::Bool, "false", "`qtrail run` on a directory: make each conversation one tree of spans. Events are held for `assembly.window` first. See [agents.md](agents.md#conversations-as-trees)."),
    key("assembly.window", Kind::Duration, "6m", "How long an event is held. CloudTrail delivers the parts of one conversation up to 5 minutes apart."),
    key("assembly.idle", Kind::Duration, "15m", "After this time without an event, the conversation's own span is sent. Not shorter than `assembly.window`."),
    key("assembly.max_held", Kind::Count(1), "10000", "Maximum number of events that are held. Beyond it, the oldest are decided early, without what comes later; `qtrail_assembly_early_total` counts them."),

    key("verify", Kind::Bool, "false", "Verify what `run` and `backfill` read from a directory, a bucket or queues (`s3.queues`) by CloudTrail's digest files, and send the findings to the collector. See [proof.md](proof.md#verified-while-it-is-read)."),
    key("verification.public_keys", Kind::List, "", "Answers of `aws cloudtrail list-public-keys`, reloaded when they change. Needed for a directory. Default: the keys are looked up in the trail's home region."),
    key("verification.every", Kind::Duration, "15m", "How often `run` looks for new digests in a directory. A failure counts once a second look saw the same, so that nothing more arrives."),
    key("verification.overdue", Kind::Duration, "4h", "How long after the end of the newest verified digest of a region the next one counts as missing; and how long other failures may be of files that are on their way, while more arrive. For a copy that is made once a day: `28h`."),
    key("manifest", Kind::Bool, "false", "Deliver a log record about each file and object before it counts as done: its hash, and what became of its records. See [proof.md](proof.md#a-manifest-of-what-was-read)."),

    key("limits.memory", Kind::Size, "128MiB", "Memory for records, payloads and dead letters in flight and for large records while they are read, over all inputs; also for the events of `qtrail report` and of `--assemble`."),
    key("limits.inflated_bytes", Kind::Size, "4GiB", "Maximum size of a file after decompression."),
    key("limits.event_bytes", Kind::Size, "2MiB", "Maximum size of an event. CloudTrail's own maximum is 1 MiB."),
    key("limits.depth", Kind::Count(4), "64", "Maximum nesting depth of an event."),
    key("limits.events", Kind::Count(1), "10000000", "Maximum number of events in a file."),

    key("signals", Kind::Choices(&SIGNALS), "logs, traces", "The signals to make from each event."),
    key("traces.classes", Kind::Choices(&CLASSES), "", "Classes of events to make spans for; other events become log records only. Default: all classes."),
    key("body", Kind::Choice(&BODIES), "original", "The body of a log record: the original record as text, the record as a map, or nothing."),
    key("maps", Kind::Bool, "", "Add the record's objects to the log record as map attributes. Default: `false` with `body: original`, which already holds them, else `true`."),
    key("service_name", Kind::Choice(&SERVICE_NAMES), "amazon-q", "The value of `service.name`: `amazon-q` for all of Amazon Q's events and a name for each other agent, or the source of each event."),
    key("resource.attributes", Kind::Map, "", "Resource attributes to add to every event."),
    key("gen_ai.provider_name", Kind::Text, "aws.q_developer", "The value of `gen_ai.provider.name`."),
    key("gen_ai.tool_content", Kind::Bool, "false", "Add the arguments and the result of each tool call as attributes, without secrets, at most 8 KiB each."),
    key("identities", Kind::Path, "", "A CSV file that says [who is who](mapping.md#who-is-who): lines of `id,name[,alias…]`. An event with any of a person's ids has the line's `id` as `enduser.id` and its name as `user.name`. `run` and `backfill` read it again when it changes."),

    key("redact.keys", Kind::List, "", "Names of keys to mask wherever they occur, in addition to the secrets that are always masked; matched without regard to case, `_` and `-`."),
    key("redact.pointers", Kind::List, "", "JSON pointers to mask, such as `/requestParameters/bucketName`."),
    key("redact.access_key_id", Kind::Choice(&HIDE), "keep", "Keep `accessKeyId`, drop it, or put a [pseudonym](mapping.md#pseudonyms) in its place (`hash`)."),
    key("redact.source_ip", Kind::Choice(&HIDE), "keep", "The same for `sourceIPAddress`."),
    key("redact.users", Kind::Choice(&HIDE), "keep", "The same for user names and ids."),
    key("redact.key", Kind::Secret, "", "The key of the pseudonyms, at least 16 bytes. It is never shown; `${file:/run/secrets/pseudonyms}` keeps it out of this file."),

    key("export.endpoint", Kind::Url, "http://localhost:4317", "The collector. Over HTTP, `/v1/logs` and `/v1/traces` are appended, and the default is `http://localhost:4318`."),
    key("export.protocol", Kind::Choice(&PROTOCOLS), "grpc", "The OTLP protocol."),
    key("export.headers", Kind::Secrets, "", "Headers to send with every request. Values are never shown; `${file:/run/secrets/token}` keeps them out of this file."),
    key("export.compression", Kind::Choice(&COMPRESSIONS), "none", "How to compress requests."),
    key("export.timeout", Kind::Duration, "10s", "Time limit for a request."),
    key("export.tls.ca_file", Kind::Path, "", "Certificate authorities (PEM) to trust instead of the system's, reloaded when the file changes."),
    key("export.tls.cert_file", Kind::Path, "", "The client's certificate chain (PEM) for mTLS, reloaded when it changes."),
    key("export.tls.key_file", Kind::Path, "", "The client's private key (PEM)."),
    key("export.file", Kind::Path, "", "Append OTLP JSON lines to this file instead of sending to a collector; `-` is standard output."),
    key("export.batch.events", Kind::Count(1), "2000", "Maximum number of events in a request. A request is sent earlier when no more input is waiting."),
    key("export.batch.bytes", Kind::Size, "2MiB", "Maximum size of a request before compression. Collectors accept 4 MiB over gRPC by default."),
    key("export.batch.spread", Kind::Duration, "", "Maximum time between the oldest and the newest event of a request: some back ends reject more (`24h` for CloudWatch Logs). Default: no limit."),
    key("export.concurrency", Kind::Count(1), "4", "Maximum number of concurrent requests for each signal."),
    key("export.retry.initial", Kind::Duration, "1s", "The first delay after a failure; it doubles with each attempt, with jitter."),
    key("export.retry.max", Kind::Duration, "30s", "The longest delay between two attempts."),
    key("export.give_up_after", Kind::Duration, "", "Exit with code 1 if events are waiting and none was accepted for this long; `0s`: never. Default: never for `run`; 5 minutes for `run --once`, `convert`, `replay` and `backfill`."),
    key("export.rate_limit", Kind::Count(1), "", "Maximum number of events per second. Default: no limit."),

    key("dead_letters.path", Kind::Path, "", "The file for records that cannot be delivered. Default: `dead-letters.jsonl` in the `state` directory. It holds unredacted records; its mode is 0600."),
    key("dead_letters.max_bytes", Kind::Size, "64MiB", "Size at which the file is rotated."),
    key("dead_letters.keep", Kind::Count(1), "10", "Number of rotated files to keep."),
    key("dead_letters.when_full", Kind::Choice(&WHEN_FULL), "", "What to do when all files are full: stop delivering until there is room again, or erase the oldest file. Default: `wait` if `ingest` listens, since pushed events cannot be read again, else `rotate`. See [operations.md](operations.md#full-dead-letters)."),
    key("dead_letters.max_record_bytes", Kind::Size, "2MiB", "Maximum size of a record that is kept; of a larger one in a file or an object, only the position and SHA-256 are kept. Pushed records are always kept whole, since there is no other copy."),
    key("dead_letters.unit_letters", Kind::Count(1), "1000", "Maximum number of dead letters for one file, object or request. Records beyond it are counted in one more letter."),
    key("dead_letters.unit_bytes", Kind::Size, "16MiB", "Maximum size of all records kept for one file, object or request; beyond it, only positions and SHA-256 are kept."),

    key("shutdown.timeout", Kind::Duration, "15s", "How long to wait for the collector after SIGTERM. Events that are still in flight are read again at the next start."),

    key("log.level", Kind::Text, "info", "What to log to standard error: a level, or a filter such as `info,qtrail::export=debug`."),
    key("log.format", Kind::Choice(&LOG_FORMATS), "text", "The format of log lines."),
    key("telemetry.http", Kind::Address, "127.0.0.1:9465", "Where to serve the [live page](operations.md#the-live-page), `/metrics`, `/livez` and `/readyz`; `none` turns it off."),
    key("telemetry.token_files", Kind::List, "", "Files with tokens, one per line, reloaded when they change. If set, the live page and `/status.json` need one of them; beyond loopback, they are not shown without. `/metrics`, `/livez` and `/readyz` need none."),
    key("telemetry.endpoint", Kind::Url, "", "A collector (gRPC) for qtrail's own metrics, traces and logs. Never inherited from `export.endpoint` or `OTEL_EXPORTER_OTLP_*`."),
    key("telemetry.headers", Kind::Secrets, "", "Headers to send with qtrail's own telemetry."),
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

/// The names of all keys, including those for one signal.
pub(super) fn names() -> impl Iterator<Item = String> {
    let own = SIGNALS.into_iter().flat_map(|signal| {
        SIGNAL_KEYS
            .into_iter()
            .map(move |rest| format!("export.{signal}.{rest}"))
    });
    KEYS.iter().map(|key| key.name.to_owned()).chain(own)
}

/// Whether this name is a group of keys.
pub(super) fn is_group(name: &str) -> bool {
    let below = |key: String| {
        key.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('.'))
    };
    names().any(below)
}

/// The name that an unknown one was probably meant to be: the one with the most similar spelling, else one
/// with the same last word.
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
