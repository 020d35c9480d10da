//! The spans of conversations, which no record describes.

use std::io;

use crate::export::{Exporter, Maker};
use qtrail_core::assemble::Conversation;
use qtrail_core::convert::Options;

const MAKER: Maker = Maker {
    input: "assembly",
    what: "spans of conversations",
};

/// Sends the spans of conversations, if spans are wanted. Returns whether all were accepted; what was rejected is logged.
/// `None` if the exporter gave up before it had an answer, or one cannot be read, which is logged.
pub async fn deliver(
    conversations: impl Iterator<Item = io::Result<Conversation>>,
    exporter: &Exporter,
    options: &Options,
) -> Option<bool> {
    if !options.traces {
        return Some(true);
    }
    let write = |conversation: &Conversation, encoder: &mut _| {
        conversation.write(&options.provider_name, encoder);
        serde_json::json!({"conversation": conversation.id()}).to_string()
    };
    exporter
        .submit_own(MAKER, options, conversations, write)
        .await
}
