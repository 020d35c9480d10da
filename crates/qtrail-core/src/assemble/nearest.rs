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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: i64 = 1_000_000_000;

    /// By a look at all messages.
    fn naive(messages: &[(i64, u8)], time: i64) -> Option<&(i64, u8)> {
        let distance = |message: &(i64, u8)| message.0.abs_diff(time);
        let least = messages.iter().map(distance).min()?;
        let mut all = messages.iter().filter(|message| distance(message) == least);
        let first = all.next()?;
        let is_one = all.all(|message| message.1 == first.1);
        (least <= REACH.unsigned_abs() && is_one).then_some(first)
    }

    proptest! {
        #[test]
        fn it_is_what_a_look_at_all_messages_finds(
            mut messages in proptest::collection::vec((0..700_i64, 0..2_u8), 0..8),
            near in prop::collection::vec((290..310_i64, 0..2_u8), 0..3),
            time in prop_oneof![Just(0), Just(300), 0..700_i64],
        ) {
            messages.extend(near);
            messages.iter_mut().for_each(|message| message.0 *= SECOND);
            messages.sort_unstable();
            let found = nearest(&messages, time * SECOND, |message| message.0, |message| message.1);
            prop_assert_eq!(found.map(std::ptr::from_ref), naive(&messages, time * SECOND).map(std::ptr::from_ref));
        }
    }
}
