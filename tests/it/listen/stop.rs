//! Stopping: what is under way is finished, who is idle is not waited for.

use qtrail::input::ingest::Settings;
use tokio::io::AsyncWriteExt;

use super::{Served, raw, rest, within};

#[tokio::test]
async fn requests_under_way_are_answered_and_nobody_else_is_waited_for() {
    let served = Served::start(&Settings::default()).await;
    let mut busy = served.connect().await;
    busy.write_all(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    within(served.waiting.notified()).await;
    let mut silent = served.connect().await;
    let mut slow = served.connect().await;
    slow.write_all(b"GET / HT").await.unwrap();
    let mut h2 = served.connect().await;
    raw::greet(&mut h2, &[]).await;
    raw::send(&mut h2, raw::request(1)).await.unwrap();
    assert!(raw::next_of(&mut h2, raw::HEADERS).await.is_some());
    served.until_connections(4).await;

    served.stop.cancel();
    assert_eq!(rest(&mut silent).await, "");
    assert_eq!(rest(&mut slow).await, "");
    // It is told to go, answers nothing, and is left behind.
    assert!(raw::next_of(&mut h2, raw::GOAWAY).await.is_some());
    while raw::next(&mut h2).await.is_some() {}
    assert_eq!(served.metrics.ingest_connections.get(), 1);
    assert!(!served.task.is_finished());
    assert!(
        tokio::net::TcpStream::connect(&served.address)
            .await
            .is_err()
    );

    served.release.cancel();
    let answer = rest(&mut busy).await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("waited"),
        "{answer}"
    );
    assert!(answer.contains("connection: close"), "{answer}");
    served.end().await;
}
