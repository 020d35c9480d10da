//! Which events a report shows.

use super::relations::Row;
use crate::view::event::{Event, Text};
use crate::view::words::{agent, is_write};

/// What was asked for. The default wants every event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Names or ids; any of them.
    pub(crate) people: Vec<String>,
    /// The first characters of ids; any of them.
    pub(crate) conversations: Vec<String>,
    /// Parts of names; any of them.
    pub(crate) agents: Vec<String>,
    pub(crate) denied: bool,
    pub(crate) writes: bool,
    /// The first moment, in nanoseconds since 1970.
    pub(crate) from: Option<i64>,
    /// The moment after the last one.
    pub(crate) to: Option<i64>,
}

impl Filter {
    /// Whether the report shows an event.
    pub(crate) fn wants(&self, row: &Row<'_>) -> bool {
        let event = &*row.event;
        (self.people.is_empty() || self.people.iter().any(|who| is_person(event, who)))
            && (self.conversations.is_empty()
                || self.wants_conversation(row.conversation.as_deref()))
            && (self.agents.is_empty() || self.agents.iter().any(|part| is_agent(event, part)))
            && (!self.denied || event.get(Text::Outcome) == "denied")
            && (!self.writes || is_write(event))
            && self.wants_time(event.time, 0)
    }

    /// Whether a time is between the limits, or at most `reach` beyond one.
    pub(crate) fn wants_time(&self, time: i64, reach: i64) -> bool {
        self.from
            .is_none_or(|from| time >= from.saturating_sub(reach))
            && self.to.is_none_or(|to| time < to.saturating_add(reach))
    }

    fn wants_conversation(&self, id: Option<&str>) -> bool {
        let begins = |start: &String| {
            let head = id.and_then(|id| id.get(..start.len()));
            head.is_some_and(|head| head.eq_ignore_ascii_case(start))
        };
        self.conversations.iter().any(begins)
    }

    /// The filter in words, such as `person mary`.
    pub(crate) fn described(&self, time: fn(i64) -> String) -> Vec<String> {
        let each = |name: &str, values: &[String]| {
            let values = values.join(" or ");
            (!values.is_empty()).then(|| format!("{name} {values}"))
        };
        let parts = [
            each("person", &self.people),
            each("conversation", &self.conversations),
            each("agent", &self.agents),
            self.denied.then(|| "denied".to_owned()),
            self.writes.then(|| "writes".to_owned()),
            self.from.map(|from| format!("from {}", time(from))),
            self.to.map(|to| format!("before {}", time(to))),
        ];
        parts.into_iter().flatten().collect()
    }
}

fn is_person(event: &Event, who: &str) -> bool {
    let names = [
        Text::Name,
        Text::Person,
        Text::UserId,
        Text::PrincipalId,
        Text::PrincipalArn,
    ];
    let mut names = names.into_iter().map(|text| event.get(text));
    names.any(|name| !name.is_empty() && name.to_lowercase() == who.to_lowercase())
}

fn is_agent(event: &Event, part: &str) -> bool {
    let contains = |name: &str| name.to_lowercase().contains(&part.to_lowercase());
    contains(agent(event)) || contains(event.get(Text::Client))
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::super::relations::Relation;
    use super::*;
    use crate::view::event::tests::event;

    fn wants(filter: &Filter, attributes: &[(&str, &str)]) -> bool {
        let event = event(60, attributes);
        filter.wants(&Row {
            conversation: event.shown(Text::Conversation).map(str::to_owned),
            event: Cow::Owned(event),
            relation: Relation::None,
            parent: None,
        })
    }

    #[test]
    fn each_filter_wants_what_it_names() {
        let all = Filter::default();
        let with = |change: &dyn Fn(&mut Filter)| {
            let mut filter = all.clone();
            change(&mut filter);
            filter
        };
        let call = ("qtrail.event.class", "on_behalf_of");
        for (filter, wanted, other) in [
            (
                with(&|f| f.people = vec!["MARY".into(), "paulo".into()]),
                vec![("user.name", "mary")],
                vec![("user.name", "mary2")],
            ),
            (
                with(&|f| f.people = vec!["u-1".into()]),
                vec![("user.name", "mary"), ("enduser.id", "u-1")],
                vec![("user.name", "mary")],
            ),
            (
                with(&|f| f.conversations = vec!["A298".into()]),
                vec![("gen_ai.conversation.id", "a298ec0d")],
                vec![("gen_ai.conversation.id", "a29")],
            ),
            (
                with(&|f| f.agents = vec!["kiro".into()]),
                vec![("gen_ai.agent.name", "Kiro CLI")],
                vec![call],
            ),
            (
                with(&|f| f.agents = vec!["amazon q".into()]),
                vec![("qtrail.event.class", "conversation")],
                vec![call],
            ),
            (
                with(&|f| f.denied = true),
                vec![("qtrail.outcome", "denied")],
                vec![("qtrail.outcome", "error")],
            ),
            (
                with(&|f| f.writes = true),
                vec![call, ("aws.event.read_only", "false")],
                vec![call, ("aws.event.read_only", "true")],
            ),
        ] {
            assert!(wants(&filter, &wanted), "{filter:?}");
            assert!(!wants(&filter, &other), "{filter:?}");
            assert!(wants(&all, &wanted) && wants(&all, &other));
        }
    }

    #[test]
    fn the_last_moment_is_not_wanted_and_the_first_one_is() {
        let second = 1_000_000_000;
        let filter = Filter {
            from: Some(10 * second),
            to: Some(20 * second),
            ..Filter::default()
        };
        let wanted = [9, 10, 19, 20].map(|time| filter.wants_time(time * second, 0));
        assert_eq!(wanted, [false, true, true, false]);
        let near = [8, 9, 20, 21].map(|time| filter.wants_time(time * second, second));
        assert_eq!(near, [false, true, true, false]);
    }
}
