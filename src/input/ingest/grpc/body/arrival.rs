//! The bytes of a call, within its time.
//!
//! Enters: a request's body. Leaves: its bytes, or the status of a call that is too slow or that qtrail ends
//! because it stops.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, HttpBody};
use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::Status;

use crate::input::ingest;
use crate::input::ingest::grpc::sender::Sender;
use crate::input::ingest::grpc::status;

pub(super) struct Arrival {
    body: Body,
    is_stream: bool,
    sender: Sender,
    /// Bytes that have arrived and were not taken.
    bytes: Bytes,
    /// When the message, or the unary call, must be complete.
    deadline: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Arrival {
    /// The timer of a unary call starts now.
    pub(super) fn new(body: Body, is_stream: bool, sender: Sender) -> Self {
        let mut arrival = Arrival {
            body,
            is_stream,
            stop: Box::pin(sender.ingest.stop().clone().cancelled_owned()),
            sender,
            bytes: Bytes::new(),
            deadline: None,
            timer: None,
        };
        if !is_stream {
            arrival.start_timer();
        }
        arrival
    }

    /// Starts the time limit of a message.
    pub(super) fn start_timer(&mut self) {
        let limit = self.sender.ingest.limits().body_timeout;
        self.set_deadline(Some(Instant::now() + limit));
    }

    /// Adds time during which qtrail did not read.
    pub(super) fn extend_timer(&mut self, time: Duration) {
        self.set_deadline(self.deadline.map(|deadline| deadline + time));
    }

    /// Between the messages of a stream there is no time limit.
    pub(super) fn stop_timer(&mut self) {
        self.set_deadline(None);
    }

    fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
        self.timer = None;
    }

    /// Takes at most `most` of the bytes that have arrived.
    pub(super) fn take(&mut self, most: usize) -> Bytes {
        self.bytes.split_to(most.min(self.bytes.len()))
    }

    /// Waits until there are bytes to take; `false`: the body has ended.
    pub(super) fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, BoxError>> {
        while self.bytes.is_empty() {
            match Pin::new(&mut self.body).poll_frame(cx) {
                // Requests have no trailers that matter.
                Poll::Ready(Some(Ok(frame))) => self.bytes = frame.into_data().unwrap_or_default(),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error.into())),
                Poll::Ready(None) => return Poll::Ready(Ok(false)),
                Poll::Pending => {
                    let status = ready!(self.poll_timeout(cx));
                    return Poll::Ready(Err(status.into()));
                }
            }
        }
        Poll::Ready(Ok(true))
    }

    /// Ready when qtrail stops, for a stream. The message of a unary call is still read, and its service answers
    /// it.
    pub(super) fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.is_stream {
            true => self.stop.as_mut().poll(cx),
            false => Poll::Pending,
        }
    }

    fn poll_timeout(&mut self, cx: &mut Context<'_>) -> Poll<Status> {
        if self.poll_stop(cx).is_ready() {
            return Poll::Ready(status::of(&ingest::Error::Stopping));
        }
        let Some(deadline) = self.deadline else {
            return Poll::Pending;
        };
        let sleep = || Box::pin(sleep_until(deadline));
        ready!(self.timer.get_or_insert_with(sleep).as_mut().poll(cx));
        let limit = self.sender.ingest.limits().body_timeout;
        Poll::Ready(self.sender.status(&ingest::Error::TooSlow { limit }))
    }
}
