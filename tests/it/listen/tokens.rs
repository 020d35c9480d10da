//! Tokens: which are taken, how they are replaced, what is said of them.

use std::path::Path;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::routing::get;
use qtrail::input::ingest::Settings;
use qtrail::input::ingest::listen::audit;
use qtrail::input::ingest::listen::auth::Auth;

use super::{Served, ask, loopback};
use crate::support::collector::Collector;
use crate::support::program::qtrail;

/// A listener that asks for a token at `/private`, and answers with its name.
async fn guarded(files: &[&Path]) -> Served {
    let files: Vec<_> = files.iter().map(|path| path.to_path_buf()).collect();
    let auth = Auth::open("ingest.token_files", &files).unwrap();
    let private = async move |request: Request| match audit::admit(
        &auth,
        request.headers(),
        request.extensions(),
    ) {
        Ok(name) => (StatusCode::OK, format!("{name:?}")),
        Err(refused) => (StatusCode::UNAUTHORIZED, refused.to_string()),
    };
    let settings = Settings {
        token_files: files,
        ..Settings::default()
    };
    let router = Router::new().route("/private", get(private));
    Served::with(&loopback(), &settings, router).await
}

/// The answer to a request with this header.
async fn shown(served: &Served, header: &str) -> String {
    let request =
        format!("GET /private HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{header}\r\n\r\n");
    ask(served.connect().await, request.as_bytes()).await
}

async fn accepted(served: &Served, header: &str) {
    let answer = shown(served, header).await;
    assert!(
        answer.starts_with("HTTP/1.1 200"),
        "{header}: {answer}\n{}",
        served.log.text()
    );
}

async fn rejected(served: &Served, header: &str) {
    let answer = shown(served, header).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{header}: {answer}");
}

/// Replaces a file at once.
fn replace(path: &Path, text: &str) {
    let aside = path.with_extension("new");
    std::fs::write(&aside, text).unwrap();
    std::fs::rename(aside, path).unwrap();
}

#[tokio::test]
async fn each_token_of_each_file_is_taken_in_each_header_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (
        folder.path().join("old.token"),
        folder.path().join("new.token"),
    );
    std::fs::write(&old, "tango\n").unwrap();
    std::fs::write(&new, "# two of them\n\n  foxtrot  \r\nquebec\n").unwrap();
    let served = guarded(&[&old, &new]).await;
    served.log.once("with tokens from 2 files");
    for header in [
        "authorization: Bearer tango",
        "Authorization: bearer  foxtrot",
        "x-api-key: quebec",
        "x-amz-firehose-access-key: tango",
    ] {
        accepted(&served, header).await;
    }
    let refused = [
        "accept: */*",
        "authorization: Bearer",
        "authorization: Bearer ",
        "authorization: Bearer tang",
        "authorization: Bearer tangotango",
        "authorization: Basic tango",
        "authorization: tango",
        "x-api-key: # two of them",
        "x-api-key:",
        "x-token: tango",
    ];
    for header in refused {
        rejected(&served, header).await;
    }
    // A sender that is named is told of at each connection; refusals are told of seldom.
    let admitted = served.log.lines("a sender's first request");
    assert_eq!(admitted.len(), 4, "{}", served.log.text());
    assert!(admitted[0].contains(r#"token="old""#), "{}", admitted[0]);
    assert!(admitted[1].contains(r#"token="new:3""#), "{}", admitted[1]);
    let refusal = served.log.once("no token, or a wrong one");
    assert!(refusal.contains("WARN qtrail::audit") && refusal.contains("peer=\"127.0.0.1:"));
    assert_eq!(served.metrics.ingest_refused.get(), refused.len() as u64);
    for secret in ["tango", "foxtrot", "quebec"] {
        assert!(!served.log.text().contains(secret));
    }
    served.end().await;
}

#[tokio::test]
async fn a_connection_is_told_of_at_its_first_request_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    std::fs::write(&path, "tango").unwrap();
    let served = guarded(&[&path]).await;
    let request = "GET /private HTTP/1.1\r\nhost: x\r\nx-api-key: tango\r\n";
    let two = format!("{request}\r\n{request}connection: close\r\n\r\n");
    let answer = ask(served.connect().await, two.as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 2, "{answer}");
    served.log.once("a sender's first request");
    served.end().await;
}

#[tokio::test]
async fn tokens_are_replaced_by_replacing_their_file_and_never_lost_to_a_broken_one() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("a"), folder.path().join("b"));
    std::fs::write(&path, "tango").unwrap();
    std::fs::write(&other, "quebec").unwrap();
    let served = guarded(&[&path, &other]).await;
    accepted(&served, "x-api-key: tango").await;

    replace(&path, "tango\nfoxtrot");
    accepted(&served, "x-api-key: tango").await;
    accepted(&served, "x-api-key: foxtrot").await;
    replace(&path, "foxtrot");
    rejected(&served, "x-api-key: tango").await;
    accepted(&served, "x-api-key: foxtrot").await;

    // One broken file keeps its tokens, and is no hindrance to the other.
    replace(&path, "# nothing\n");
    accepted(&served, "x-api-key: foxtrot").await;
    accepted(&served, "x-api-key: foxtrot").await;
    let said = served.log.once("the old ones stay in use");
    assert!(said.contains("holds no token"), "{said}");
    std::fs::remove_file(&path).unwrap();
    replace(&other, "november");
    accepted(&served, "x-api-key: foxtrot").await;
    accepted(&served, "x-api-key: november").await;
    rejected(&served, "x-api-key: quebec").await;
    assert_eq!(served.log.lines("the old ones stay in use").len(), 2);
    served.end().await;
}

#[test]
fn a_file_without_a_token_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    std::fs::write(&empty, "\n# none\n").unwrap();
    for path in [empty, folder.path().join("missing")] {
        let error = Auth::open("ingest.token_files", std::slice::from_ref(&path))
            .unwrap_err()
            .to_string();
        assert!(error.contains("ingest.token_files"), "{error}");
        assert!(error.contains(&path.display().to_string()), "{error}");
    }
}

#[tokio::test]
async fn without_files_nobody_is_asked_and_nobody_is_told_of_often() {
    let served = guarded(&[]).await;
    accepted(&served, "accept: */*").await;
    accepted(&served, "x-api-key: anything").await;
    served.log.once("a sender's first request");
    served.end().await;
}

#[tokio::test]
async fn check_tells_of_tokens_that_cannot_be_used() {
    let collector = Collector::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens");
    let url = collector.url();
    let check = async || {
        let mut check = qtrail();
        check
            .args(["check", "--endpoint", &url])
            .env("QTRAIL_INGEST_HTTP_LISTEN", "127.0.0.1")
            .env("QTRAIL_INGEST_TOKEN_FILES", &path)
            .env("QTRAIL_STATE", folder.path());
        let output = tokio::task::spawn_blocking(move || check.output()).await;
        let output = output.unwrap().unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    let (code, said) = check().await;
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("FAIL") && said.contains("ingest.token_files: cannot read"),
        "{said}"
    );
    std::fs::write(&path, "tango").unwrap();
    let (code, said) = check().await;
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("tokens and certificates for senders: usable"),
        "{said}"
    );
}
