//! A call's request body: reserves memory for each message before reading it, and inflates messages.
//!
//! Enters: a body's bytes. Leaves: the same messages, inflated, each in frames of its own, so that tonic
//! buffers one at a time; or the status that ends the call. What must hold: before memory is reserved for a
//! message, nothing beyond its prefix is passed on. Unread bytes stay with the sender, stopped by HTTP/2's flow
//! control.
//!
//! ```text
//! Prefix ─▶ Reserving ─┬─▶ Content ───────────────────────────────┬─▶ Prefix
//!                      └─▶ Compressed ─▶ Inflating ─▶ Inflated ───┘
//! ```

mod arrival;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::BoxError;
use axum::body::{Body, HttpBody};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use hyper::body::Frame;
use tokio::time::Instant;
use tonic::Status;

use self::arrival::Arrival;
use super::guard::Call;
use super::sender::Sender;
use super::status;
use crate::input::ingest::inflate::{self, Bounds};
use crate::input::ingest::listen::ActiveGuard;
use crate::input::ingest::{self, Reserved};

/// Bytes before each message: a flag for compression, then the message's length.
const PREFIX_BYTES: usize = 5;
/// A compressed message reserves this many times its bytes, up to the limit of a message. Gzip shrinks trails to
/// a seventh or a ninth.
const INFLATION: usize = 16;

/// The body of a call.
pub(super) struct MessageBody {
    call: Call,
    /// Whether this body inflates compressed messages; otherwise tonic does.
    inflates: bool,
    sender: Sender,
    arrival: Arrival,
    state: State,
    /// The bytes of the prefix so far.
    prefix: BytesMut,
    /// A unary call's message is complete.
    complete: bool,
    /// Keeps the connection while a message of a stream arrives.
    active: Option<ActiveGuard>,
}

enum State {
    /// In a prefix, or between messages.
    Prefix,
    /// After a prefix, waiting for memory since then.
    Reserving(Reserving, Instant),
    /// In a message, with this many bytes missing.
    Content(usize),
    /// In a compressed message: the bytes so far, and how many are missing.
    Compressed(BytesMut, usize),
    /// After a compressed message.
    Inflating(Inflating),
    /// Before the inflated bytes are passed on.
    Inflated(Bytes),
}

type Inflating = Pin<Box<dyn Future<Output = Result<(Bytes, Reserved), inflate::Error>> + Send>>;

type Reserving = Pin<Box<dyn Future<Output = Result<Reserved, ingest::Error>> + Send>>;

impl MessageBody {
    pub(super) fn new(body: Body, call: Call, sender: Sender) -> Self {
        MessageBody {
            call,
            inflates: false,
            arrival: Arrival::new(body, call.is_stream(), sender.clone()),
            sender,
            state: State::Prefix,
            prefix: BytesMut::new(),
            complete: false,
            active: None,
        }
    }

    /// Inflates messages on a blocking thread if they are compressed with gzip and hold events.
    pub(super) fn inflating(self, gzip: bool) -> Self {
        let inflates = gzip && matches!(self.call, Call::Unary | Call::Stream);
        MessageBody { inflates, ..self }
    }

    /// Reads a prefix. `None`: the body ends here.
    fn poll_prefix(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<()>, BoxError>> {
        while self.prefix.len() < PREFIX_BYTES {
            if self.prefix.is_empty() && self.arrival.poll_stop(cx).is_ready() {
                return Poll::Ready(Err(status::of(&ingest::Error::Stopping).into()));
            }
            if !ready!(self.arrival.poll_bytes(cx))? {
                return Poll::Ready(match self.prefix.is_empty() {
                    true => Ok(None),
                    false => Err(incomplete()),
                });
            }
            if self.complete {
                return Poll::Ready(Err(Box::new(Status::internal(
                    "a unary call has more than one message",
                ))));
            }
            if self.prefix.is_empty() && self.call.is_stream() {
                self.active = self.sender.keep_active();
                self.arrival.start_timer();
            }
            let missing = PREFIX_BYTES - self.prefix.len();
            self.prefix.put(self.arrival.take(missing));
        }
        Poll::Ready(Ok(Some(())))
    }

    /// Reserves memory for the message after the prefix.
    fn reserve(&mut self) -> Result<(), BoxError> {
        let (length, compressed) = (self.length(), self.prefix[0] != 0);
        let limit = self.sender.ingest.limits().request_bytes;
        let bytes = match compressed {
            true => length.saturating_mul(INFLATION).min(limit).max(length),
            false => length,
        };
        self.state = match self.call {
            Call::Check | Call::Watch | Call::Reflection => State::Content(length),
            Call::Unary => {
                let reserved = self.sender.ingest.try_reserve(bytes);
                self.set_reserved(reserved)?;
                self.message()
            }
            Call::Stream => {
                let ingest = self.sender.ingest.clone();
                let reserving = Box::pin(async move { ingest.reserve(bytes).await });
                State::Reserving(reserving, Instant::now())
            }
        };
        Ok(())
    }

    fn set_reserved(&self, reserved: Result<Reserved, ingest::Error>) -> Result<(), BoxError> {
        let reserved = reserved.map_err(|error| self.sender.status(&error))?;
        self.sender.set_reserved(reserved);
        Ok(())
    }

    /// The length of the message after the prefix.
    fn length(&self) -> usize {
        (&self.prefix[1..PREFIX_BYTES]).get_u32() as usize
    }

    /// The state in which the message after the prefix is read.
    fn message(&mut self) -> State {
        let length = self.length();
        match self.inflates && self.prefix[0] != 0 && length > 0 {
            true => {
                self.prefix.clear();
                State::Compressed(BytesMut::with_capacity(length), length)
            }
            false => State::Content(length),
        }
    }

    /// Starts to inflate a complete message.
    fn inflate(&self, compressed: Bytes) -> Result<Inflating, BoxError> {
        let ingest = self.sender.ingest.clone();
        let Some(reserved) = self.sender.take_reserved() else {
            return Err(Box::new(Status::internal("no memory is reserved")));
        };
        let limit = ingest.limits().request_bytes;
        Ok(Box::pin(async move {
            let bounds = Bounds {
                limit,
                too_large: ingest::Error::TooLarge { limit },
                // The compressed bytes are freed next, and one message may use the memory of all.
                beside: 0,
            };
            inflate::inflate(&ingest, compressed, reserved, bounds).await
        }))
    }

    /// Handles the end of a message.
    fn finish(&mut self) {
        self.state = State::Prefix;
        if self.call.is_stream() {
            self.active = None;
            self.arrival.stop_timer();
        } else {
            // The timer goes on: the call must end in time.
            self.complete = true;
        }
    }

    /// Takes one step. Returns the next frame if the step made one.
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BoxError>> {
        match &mut self.state {
            State::Prefix => self.reserve()?,
            State::Reserving(reserving, since) => {
                let reserved = ready!(reserving.as_mut().poll(cx));
                self.arrival.extend_timer(since.elapsed());
                self.set_reserved(reserved)?;
                self.state = self.message();
            }
            State::Content(missing) => {
                let missing = *missing;
                if !self.prefix.is_empty() {
                    return Poll::Ready(Ok(Some(self.pass_prefix(missing == 0))));
                }
                if !ready!(self.arrival.poll_bytes(cx))? {
                    return Poll::Ready(Err(incomplete()));
                }
                let part = self.arrival.take(missing);
                match missing - part.len() {
                    0 => self.finish(),
                    missing => self.state = State::Content(missing),
                }
                return Poll::Ready(Ok(Some(part)));
            }
            State::Compressed(compressed, missing) => {
                if !ready!(self.arrival.poll_bytes(cx))? {
                    return Poll::Ready(Err(incomplete()));
                }
                let part = self.arrival.take(*missing);
                *missing -= part.len();
                compressed.put(part);
                if *missing == 0 {
                    let compressed = std::mem::take(compressed).freeze();
                    self.state = State::Inflating(self.inflate(compressed)?);
                }
            }
            State::Inflating(inflating) => {
                let inflated = ready!(inflating.as_mut().poll(cx));
                let (bytes, reserved) = inflated.map_err(|error| self.not_inflated(&error))?;
                self.sender.set_reserved(reserved);
                // The flag for compression is unset.
                self.prefix.put_u8(0);
                self.prefix.put_u32(bytes.len() as u32);
                self.state = State::Inflated(bytes);
            }
            State::Inflated(bytes) => {
                let bytes = bytes.clone();
                if !self.prefix.is_empty() {
                    return Poll::Ready(Ok(Some(self.pass_prefix(bytes.is_empty()))));
                }
                self.finish();
                return Poll::Ready(Ok(Some(bytes)));
            }
        }
        Poll::Ready(Ok(None))
    }

    /// Passes the prefix on; it may be all of its message.
    fn pass_prefix(&mut self, is_all: bool) -> Bytes {
        if is_all {
            self.finish();
        }
        self.prefix.split().freeze()
    }

    fn not_inflated(&self, error: &inflate::Error) -> BoxError {
        Box::new(match error {
            inflate::Error::Ingest(error) => self.sender.status(error),
            inflate::Error::Damaged(_) => Status::internal(error.to_string()),
        })
    }
}

impl HttpBody for MessageBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            if matches!(self.state, State::Prefix) && ready!(self.poll_prefix(cx))?.is_none() {
                return Poll::Ready(None);
            }
            if let Some(bytes) = ready!(self.poll_step(cx))? {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
        }
    }
}

fn incomplete() -> BoxError {
    Box::new(Status::internal("the call ends in the middle of a message"))
}

#[cfg(test)]
mod tests;
