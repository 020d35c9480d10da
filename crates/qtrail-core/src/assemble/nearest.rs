//! The message that a call is nearest to: the one relation that AWS does not record.

use super::REACH;

/// The first of the messages that are nearest to a time, before or after it, within [`REACH`]. `None` if these belong
/// to two conversations. `messages`: those of one person, in order of time; `time` and `conversation` of each.
pub fn nearest<'m, M, C: PartialEq>(
    messages: &'m [M],
    time: i64,
    time_of: impl Fn(&M) -> i64,
    conversation_of: impl Fn(&'m M) -> C,
) -> Option<&'m M> {
    let distance = |message: &M| time_of(message).abs_diff(time);
    let after = messages.partition_point(|message| time_of(message) <= time);
    let (before, behind) = messages.split_at(after);
    let sides = [before.last(), behind.first()].into_iter().flatten();
    let least = sides.map(distance).min()?;
    if least > REACH.unsigned_abs() {
        return None;
    }
    let start = before.partition_point(|message| distance(message) > least);
    let behind_them = behind.partition_point(|message| distance(message) <= least);
    let mut all = messages[start..after + behind_them].iter();
    let first = all.next()?;
    let conversation = conversation_of(first);
    all.all(|message| conversation_of(message) == conversation)
        .then_some(first)
}
