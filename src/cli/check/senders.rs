//! Checks of the listeners: addresses, tokens, certificates.

use super::Finding;
use crate::config::Config;
use crate::input::ingest::Listen;
use crate::input::ingest::listen;
use crate::input::ingest::listen::auth::Auth;
use crate::sidecar::TOKEN_FILES;

pub(super) async fn findings(config: &Config) -> Vec<Finding> {
    let ingest = &config.ingest;
    let mut findings = Vec::new();
    if ingest.grpc.is_some() || ingest.http.is_some() {
        let usable = listen::check(ingest).map(|guards| format!("usable: {guards}"));
        let what = "tokens and certificates for senders".to_owned();
        findings.push(Finding::new(what, usable));
    }
    let page = &config.telemetry.token_files;
    if config.telemetry.http.is_some() && !page.is_empty() {
        let usable = Auth::open(TOKEN_FILES, page).map(|_| "usable");
        findings.push(Finding::new("tokens for the live page".to_owned(), usable));
    }
    let addresses: Vec<_> = [
        ("ingest.grpc.listen", ingest.grpc.clone()),
        ("ingest.http.listen", ingest.http.clone()),
        ("telemetry.http", config.telemetry.http.map(Listen::Tcp)),
    ]
    .into_iter()
    .filter_map(|(key, listen)| Some((key, listen?)))
    .collect();
    let results = listen::check_addresses(&addresses).await;
    for ((key, listen), result) in addresses.iter().zip(results) {
        let what = format!("{key} {listen}");
        findings.push(Finding::new(what, result.map(|()| "available")));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::table;
    use super::super::tests::config;
    use super::*;

    #[tokio::test]
    async fn an_address_in_use_is_reported_with_its_key_and_a_free_one_stays_free() {
        let free_port = || {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().to_string()
        };
        let taken = free_port();
        let free = config(&[("telemetry.http", &taken)]);
        let findings_of_free = findings(&free).await;
        assert!(
            findings_of_free[0].result.is_ok(),
            "{}",
            table(&findings_of_free)
        );
        let listener = std::net::TcpListener::bind(&taken).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| format!("unix:{}", folder.path().join(name).display());
        std::fs::write(folder.path().join("file"), "").unwrap();
        let socket = std::os::unix::net::UnixListener::bind(folder.path().join("used")).unwrap();
        let other = "127.0.0.1:0";
        for (grpc, http, metrics, parts) in [
            (
                other,
                other,
                &*taken,
                &["telemetry.http: cannot listen on", "in use"][..],
            ),
            (
                &taken,
                other,
                "none",
                &["ingest.grpc.listen: cannot listen on"],
            ),
            (
                other,
                &taken,
                "none",
                &["ingest.http.listen: cannot listen on"],
            ),
            (
                "127.0.0.1:4444",
                "0.0.0.0:4444",
                "none",
                &["the address is ingest.grpc.listen's"],
            ),
            (
                "192.0.2.1:4444",
                other,
                "none",
                &["ingest.grpc.listen: cannot listen on"],
            ),
            (
                &path("used"),
                other,
                "none",
                &["another process listens there"],
            ),
            (&path("file"), other, "none", &["not a socket"]),
            (&path("no/folder"), other, "none", &["cannot be written to"]),
            (&path(&"long".repeat(40)), other, "none", &["SUN_LEN"]),
        ] {
            let config = config(&[
                ("ingest.grpc.listen", grpc),
                ("ingest.http.listen", http),
                ("ingest.insecure", "true"),
                ("ingest.anonymous", "true"),
                ("telemetry.http", metrics),
            ]);
            let findings = findings(&config).await;
            let text = table(&findings);
            assert_eq!(
                findings.iter().filter(|f| f.result.is_err()).count(),
                1,
                "{text}"
            );
            for part in parts {
                assert!(text.contains(part), "{part}: {text}");
            }
        }
        drop((listener, socket));
        let grpc = ("ingest.grpc.listen", &*path("used"));
        let metrics = ("telemetry.http", "none");
        let stale = findings(&config(&[grpc, metrics])).await;
        assert!(stale.iter().all(|f| f.result.is_ok()), "{}", table(&stale));
        assert!(
            folder.path().join("used").exists(),
            "a check changes nothing"
        );
    }
}
