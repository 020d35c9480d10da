//! Events over HTTP: each way in, and each way to be turned away.

use crate::support::program::{event, gzip};
use crate::support::receiver::Receiver;
use crate::support::trail::Container;

#[tokio::test]
async fn events_come_in_every_container_compressed_or_not() {
    let receiver = Receiver::discarding().await;
    let records = [event("one"), event("two")];
    for container in Container::ALL {
        let body = container.around(&records);
        for (headers, body) in [
            (&[][..], body.clone()),
            (&[][..], gzip(&body)),
            (&[("content-encoding", "gzip")][..], gzip(&body)),
        ] {
            let answer = receiver.post("/v1/events", headers, body).await;
            assert_eq!(answer.status, 200, "{container:?} {answer:?}");
            assert_eq!((answer.count("read"), answer.count("exported")), (2, 2));
        }
    }
    receiver.assert_balance();
}
