//! A stream of messages, each delivered and answered independently.
//!
//! Enters: the sender's messages. Leaves: their answers, in any order. What must hold: a message is read only
//! while fewer than [`UNANSWERED`] wait for an answer, and only while the sender reads answers; the stream ends
//! after the last answer.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::task::JoinSet;
use tonic::codegen::tokio_stream::Stream;
use tonic::{Status, Streaming};

use super::sender::Sender;
use super::service::deliver;
use qtrail_proto::v1::ingest_stream_response::Result as Answer;
use qtrail_proto::v1::{IngestRequest, IngestStreamRequest, IngestStreamResponse};

/// Messages of one stream without an answer, at most.
const UNANSWERED: usize = 1024;

/// The answers of one stream. Polling it reads messages; HTTP/2 polls only while the sender reads answers.
pub(super) struct Answers {
    sender: Sender,
    /// `None` after the last message.
    requests: Option<Streaming<IngestStreamRequest>>,
    /// The status that ends the stream after the last answer, if it failed.
    error: Option<Status>,
    deliveries: JoinSet<IngestStreamResponse>,
}

impl Answers {
    pub(super) fn new(sender: Sender, requests: Streaming<IngestStreamRequest>) -> Self {
        Answers {
            sender,
            requests: Some(requests),
            error: None,
            deliveries: JoinSet::new(),
        }
    }

    fn deliver(&mut self, request: IngestStreamRequest) {
        let IngestStreamRequest {
            sequence,
            events,
            source,
        } = request;
        let request = IngestRequest {
            sequence,
            events,
            source,
        };
        let sender = self.sender.clone();
        let delivery = deliver(&sender, request);
        let active = sender.keep_active();
        self.deliveries.spawn(async move {
            let _active = active;
            let result = match delivery.await {
                Ok(delivered) => Answer::Delivered(delivered),
                Err(error) => Answer::Failure(sender.failure(&error)),
            };
            IngestStreamResponse {
                sequence,
                result: Some(result),
            }
        });
    }

    /// The next answer; `None` if no message is being delivered.
    fn poll_answer(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<IngestStreamResponse, Status>>> {
        let answer = ready!(self.deliveries.poll_join_next(cx));
        Poll::Ready(answer.map(|answer| {
            answer.map_err(|_| Status::internal("a message was lost: send it again"))
        }))
    }
}

impl Stream for Answers {
    type Item = Result<IngestStreamResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Poll::Ready(Some(answer)) = self.poll_answer(cx) {
                return Poll::Ready(Some(answer));
            }
            let full = self.deliveries.len() >= UNANSWERED;
            let Some(requests) = self.requests.as_mut().filter(|_| !full) else {
                return match self.deliveries.is_empty() {
                    true => Poll::Ready(self.error.take().map(Err)),
                    false => Poll::Pending,
                };
            };
            match ready!(Pin::new(requests).poll_next(cx)) {
                Some(Ok(request)) => self.deliver(request),
                Some(Err(error)) => {
                    self.error = Some(error);
                    self.requests = None;
                }
                None => self.requests = None,
            }
        }
    }
}

#[cfg(test)]
mod tests;
