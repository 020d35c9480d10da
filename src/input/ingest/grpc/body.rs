//! While a call's messages arrive: how long is each, is there room, does it come in time.
//!
//! Enters: a body's bytes. Leaves: the same bytes, messages apart from each other, so that each is
//! buffered by itself; or the status that the call ends with. What must hold: of a message no more
//! than its prefix is given on before there is room for all of it. What is not read stays with the
//! sender, held back by HTTP/2's flow control.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::BoxError;
use axum::body::{Body, HttpBody};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use hyper::body::Frame;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::Status;

use super::guard::Call;
use super::sender::Sender;
use super::status;
use crate::input::ingest::inflate::{self, Bounds};
use crate::input::ingest::listen::ActiveGuard;
use crate::input::ingest::{self, Reserved};

/// Bytes before each message: whether it is compressed, then its length.
const PREFIX_BYTES: usize = 5;
/// A compressed message gets room for so many times its bytes, within what a message may have, before
/// it is read. Trails shrink to a seventh or a ninth.
const INFLATION: usize = 16;

/// A guarded body.
pub(super) struct MessageBody {
    body: Body,
    call: Call,
    /// Compressed messages are inflated here.
    inflates: bool,
    sender: Sender,
    at: At,
    /// What came of a prefix.
    prefix: BytesMut,
    /// What came and was not yet looked at.
    rest: Bytes,
    /// A unary call's message has come.
    complete: bool,
    /// Until when the sender is waited for.
    deadline: Option<Instant>,
    /// Rings then.
    timer: Option<Pin<Box<Sleep>>>,
    /// Held while a message of a stream arrives.
    active: Option<ActiveGuard>,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
}

/// Where in the body.
enum At {
    /// In a prefix, or between messages.
    Prefix,
    /// Behind a prefix, waiting for room since then.
    Room(Reserving, Instant),
    /// In a message, of which so many bytes are to come.
    Message(usize),
    /// The same, of one that is to be inflated, and what has come of it.
    Compressed(BytesMut, usize),
    /// Behind such a message.
    Inflating(Inflating),
    /// The same, once it is inflated.
    Inflated(Bytes),
}

type Inflating = Pin<Box<dyn Future<Output = Result<(Bytes, Reserved), inflate::Error>> + Send>>;

type Reserving = Pin<Box<dyn Future<Output = Result<Reserved, ingest::Error>> + Send>>;

impl MessageBody {
    pub(super) fn new(body: Body, call: Call, sender: Sender) -> Self {
        let stop = Box::pin(sender.ingest.stop().clone().cancelled_owned());
        let deadline = Instant::now() + sender.ingest.limits().body_timeout;
        MessageBody {
            body,
            call,
            inflates: false,
            sender,
            at: At::Prefix,
            prefix: BytesMut::new(),
            rest: Bytes::new(),
            complete: false,
            deadline: Some(deadline).filter(|_| !call.is_stream()),
            timer: None,
            active: None,
            stop,
        }
    }

    /// The same; compressed messages are inflated on a thread that may be active for long, if `gzip` is
    /// what compresses them and the call brings events.
    pub(super) fn inflating(self, gzip: bool) -> Self {
        let inflates = gzip && matches!(self.call, Call::Unary | Call::Stream);
        MessageBody { inflates, ..self }
    }

    /// Gathers a prefix. `None`: the body ends here.
    fn poll_prefix(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<()>, BoxError>> {
        while self.prefix.len() < PREFIX_BYTES {
            if self.prefix.is_empty() && self.poll_stop(cx).is_ready() {
                return Poll::Ready(Err(stopping().into()));
            }
            if !ready!(self.poll_rest(cx))? {
                return Poll::Ready(match self.prefix.is_empty() {
                    true => Ok(None),
                    false => Err(cut_off()),
                });
            }
            if self.complete {
                return Poll::Ready(Err(Box::new(Status::internal(
                    "this call takes one message, and there are more",
                ))));
            }
            if self.prefix.is_empty() && self.call.is_stream() {
                self.active = self.sender.keep_active();
                self.wait_until(Some(
                    Instant::now() + self.sender.ingest.limits().body_timeout,
                ));
            }
            let missing = PREFIX_BYTES - self.prefix.len();
            let came = self.rest.split_to(missing.min(self.rest.len()));
            self.prefix.put(came);
        }
        Poll::Ready(Ok(Some(())))
    }

    /// Sees to it that there is room for the message behind the prefix.
    fn reserve(&mut self) -> Result<(), BoxError> {
        let (length, compressed) = (self.length(), self.prefix[0] != 0);
        let limit = self.sender.ingest.limits().request_bytes;
        let bytes = match compressed {
            true => length.saturating_mul(INFLATION).min(limit).max(length),
            false => length,
        };
        self.at = match self.call {
            Call::Check | Call::Watch | Call::Reflection => At::Message(length),
            Call::Unary => {
                let reserved = self.sender.ingest.try_reserve(bytes);
                self.keep(reserved)?;
                self.message()
            }
            Call::Stream => {
                let ingest = self.sender.ingest.clone();
                let reserving = Box::pin(async move { ingest.reserve(bytes).await });
                At::Room(reserving, Instant::now())
            }
        };
        Ok(())
    }

    /// The message behind the prefix, for which there is room now.
    fn message(&mut self) -> At {
        let length = self.length();
        match self.inflates && self.prefix[0] != 0 && length > 0 {
            true => {
                self.prefix.clear();
                At::Compressed(BytesMut::with_capacity(length), length)
            }
            false => At::Message(length),
        }
    }

    /// Begins to inflate a message that has come in whole.
    fn inflate(&self, compressed: Bytes) -> Result<Inflating, BoxError> {
        let ingest = self.sender.ingest.clone();
        let Some(reserved) = self.sender.take_reserved() else {
            return Err(Box::new(Status::internal("a message without room")));
        };
        let limit = ingest.limits().request_bytes;
        Ok(Box::pin(async move {
            let bounds = Bounds {
                limit,
                too_large: ingest::Error::TooLarge { limit },
                // What it is compressed to goes at once; a message may be as large as all may be.
                beside: 0,
            };
            inflate::inflate(&ingest, compressed, reserved, bounds).await
        }))
    }

    /// The end of a call one of whose messages could not be inflated.
    fn not_inflated(&self, error: &inflate::Error) -> BoxError {
        Box::new(match error {
            inflate::Error::Ingest(error) => self.sender.status(error),
            inflate::Error::Damaged(_) => Status::internal(error.to_string()),
        })
    }

    fn keep(&self, reserved: Result<Reserved, ingest::Error>) -> Result<(), BoxError> {
        let reserved = reserved.map_err(|error| self.sender.status(&error))?;
        self.sender.keep(reserved);
        Ok(())
    }

    /// The length of the message behind the prefix.
    fn length(&self) -> usize {
        (&self.prefix[1..PREFIX_BYTES]).get_u32() as usize
    }

    /// A message has come in whole.
    fn finish(&mut self) {
        self.at = At::Prefix;
        if self.call.is_stream() {
            self.active = None;
            self.wait_until(None);
        } else {
            // The end of the call is waited for no longer than that.
            self.complete = true;
        }
    }

    /// Whether there are bytes in `rest`; if not, the body has ended.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, BoxError>> {
        while self.rest.is_empty() {
            match Pin::new(&mut self.body).poll_frame(cx) {
                // Trailers of a request mean nothing.
                Poll::Ready(Some(Ok(frame))) => self.rest = frame.into_data().unwrap_or_default(),
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

    /// Ready when the sender is waited for no longer.
    fn poll_timeout(&mut self, cx: &mut Context<'_>) -> Poll<Status> {
        if self.poll_stop(cx).is_ready() {
            return Poll::Ready(stopping());
        }
        let Some(deadline) = self.deadline else {
            return Poll::Pending;
        };
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        ready!(timer.as_mut().poll(cx));
        let limit = self.sender.ingest.limits().body_timeout;
        Poll::Ready(self.sender.status(&ingest::Error::TooSlow { limit }))
    }

    /// Ready when no more messages are taken. What brings one alone is refused by whom it reaches.
    fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.call.is_stream() {
            true => self.stop.as_mut().poll(cx),
            false => Poll::Pending,
        }
    }

    fn wait_until(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
        self.timer = None;
    }
}

impl HttpBody for MessageBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        loop {
            match &mut this.at {
                At::Prefix => {
                    if ready!(this.poll_prefix(cx))?.is_none() {
                        return Poll::Ready(None);
                    }
                    this.reserve()?;
                }
                At::Room(reserving, since) => {
                    let reserved = ready!(reserving.as_mut().poll(cx));
                    let waited = since.elapsed();
                    this.keep(reserved)?;
                    this.wait_until(this.deadline.map(|deadline| deadline + waited));
                    this.at = this.message();
                }
                At::Message(_) if !this.prefix.is_empty() => {
                    if this.length() == 0 {
                        this.finish();
                    }
                    return frame(this.prefix.split().freeze());
                }
                At::Message(left) => {
                    let left = *left;
                    if !ready!(this.poll_rest(cx))? {
                        return Poll::Ready(Some(Err(cut_off())));
                    }
                    let part = this.rest.split_to(left.min(this.rest.len()));
                    match left - part.len() {
                        0 => this.finish(),
                        left => this.at = At::Message(left),
                    }
                    return frame(part);
                }
                At::Compressed(..) => {
                    if !ready!(this.poll_rest(cx))? {
                        return Poll::Ready(Some(Err(cut_off())));
                    }
                    let At::Compressed(gathered, left) = &mut this.at else {
                        continue;
                    };
                    let part = this.rest.split_to((*left).min(this.rest.len()));
                    *left -= part.len();
                    gathered.put(part);
                    if *left == 0 {
                        let compressed = std::mem::take(gathered).freeze();
                        this.at = At::Inflating(this.inflate(compressed)?);
                    }
                }
                At::Inflating(inflating) => match ready!(inflating.as_mut().poll(cx)) {
                    Ok((bytes, reserved)) => {
                        this.sender.keep(reserved);
                        // It is not compressed any more.
                        this.prefix.put_u8(0);
                        this.prefix.put_u32(bytes.len() as u32);
                        this.at = At::Inflated(bytes);
                    }
                    Err(error) => return Poll::Ready(Some(Err(this.not_inflated(&error)))),
                },
                At::Inflated(bytes) => {
                    let bytes = bytes.clone();
                    if !this.prefix.is_empty() {
                        if bytes.is_empty() {
                            this.finish();
                        }
                        return frame(this.prefix.split().freeze());
                    }
                    this.finish();
                    return frame(bytes);
                }
            }
        }
    }
}

fn frame(bytes: Bytes) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
    Poll::Ready(Some(Ok(Frame::data(bytes))))
}

fn stopping() -> Status {
    status::of(&ingest::Error::Stopping)
}

fn cut_off() -> BoxError {
    Box::new(Status::internal("the call ends in the middle of a message"))
}

#[cfg(test)]
mod tests;
