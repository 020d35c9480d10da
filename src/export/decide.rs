//! What to do next with a request that got an answer.
//!
//! Enters: an [`Answer`] and the [`Facts`] of the request. Leaves: a [`Action`]. What must hold: a
//! record is refused for good only when the answer blames it and its neighbours, or an empty
//! request, were taken meanwhile.

use std::time::Duration;

use super::End;
use super::Health;
use super::classify::Answer;

/// Faults of one request before it is suspected, rather than the server.
pub(super) const FAULTS: u32 = 4;
/// Up to this many bytes, a record cannot be too large: what refuses it is a quota.
const SMALL: usize = 64 << 10;

/// What is known of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    /// Records in it.
    pub(super) records: usize,
    /// Its encoded bytes, before compression.
    pub(super) bytes: usize,
    /// How often it met a fault, this time included; of several records, also what it was cut from.
    pub(super) faults: u32,
    /// Other records were accepted since the first of these faults.
    pub(super) others_accepted: bool,
    /// The set-up is known to work: something was accepted, not too many refusals ago.
    pub(super) trusted: bool,
    /// An empty request was accepted since it, or what it was cut from, was first refused.
    pub(super) vouched: bool,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// It is settled: all of it, or all but so many.
    Settled { rejected: u64, message: String },
    /// Wait, then send the same bytes again; `others_first`: after the others of the batch.
    Wait {
        hint: Option<Duration>,
        cause: WaitReason,
        others_first: bool,
    },
    /// Cut it in two.
    Halve,
    /// Its one record is refused for good.
    Refuse { status: String, message: String },
    /// It is refused: see whether an empty request is, too.
    Probe { status: String, message: String },
    /// Nothing more can be sent.
    End(End),
}

/// Why it waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WaitReason {
    Down(String),
    Blocked(String),
}

impl WaitReason {
    /// As health; `peer` says whose.
    pub(super) fn health(self, peer: &str, retry_after: Duration) -> Health {
        match self {
            WaitReason::Down(reason) => Health::Down {
                reason: format!("{peer}: {reason}"),
                retry_after,
            },
            WaitReason::Blocked(reason) => Health::Blocked {
                reason: format!("{peer}: {reason}"),
            },
        }
    }
}

/// Decides.
pub(super) fn decide(answer: Answer, facts: Facts) -> Action {
    match answer {
        Answer::Accepted { .. } => Action::Settled {
            rejected: 0,
            message: String::new(),
        },
        Answer::Partial { rejected, message } => Action::Settled { rejected, message },
        Answer::Retry { after, reason } => Action::Wait {
            hint: after,
            cause: WaitReason::Down(reason),
            others_first: false,
        },
        Answer::Blocked { reason } => wait_blocked(reason),
        Answer::End(end) => Action::End(end),
        // Words that are not OTLP's may be those of something on the way, which knows no record.
        Answer::Rejected {
            status,
            message,
            in_otlp,
        } if !facts.trusted || !(in_otlp || facts.vouched) => Action::Probe { status, message },
        Answer::Rejected { .. } | Answer::TooLarge { .. } if facts.records > 1 => Action::Halve,
        Answer::TooLarge {
            status, message, ..
        } if !facts.trusted => Action::Probe { status, message },
        Answer::Rejected {
            status, message, ..
        } => Action::Refuse { status, message },
        Answer::TooLarge {
            status,
            message,
            certain: false,
        } if facts.bytes <= SMALL => wait_blocked(format!(
            "{status}: {message}; one small record is too much for it: raise its quota"
        )),
        Answer::TooLarge {
            status, message, ..
        } => Action::Refuse { status, message },
        Answer::Fault { status, message } => {
            if facts.faults < FAULTS || (facts.records == 1 && !facts.others_accepted) {
                return Action::Wait {
                    hint: None,
                    cause: WaitReason::Down(format!("{status}: {message}")),
                    others_first: true,
                };
            }
            match facts.records {
                1 => Action::Refuse { status, message },
                _ => Action::Halve,
            }
        }
    }
}

fn wait_blocked(reason: String) -> Action {
    Action::Wait {
        hint: None,
        cause: WaitReason::Blocked(reason),
        others_first: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Facts = Facts {
        records: 1,
        bytes: 1000,
        faults: 0,
        others_accepted: false,
        trusted: true,
        vouched: false,
    };
    const MANY: Facts = Facts {
        records: 100,
        bytes: 100_000,
        ..ONE
    };

    fn rejected() -> Answer {
        rejected_by(true)
    }

    fn rejected_by(in_otlp: bool) -> Answer {
        Answer::Rejected {
            status: "HTTP 400".to_owned(),
            message: "bad".to_owned(),
            in_otlp,
        }
    }

    fn fault() -> Answer {
        Answer::Fault {
            status: "HTTP 500".to_owned(),
            message: "oops".to_owned(),
        }
    }

    fn too_large(certain: bool) -> Answer {
        Answer::TooLarge {
            status: "too large".to_owned(),
            message: String::new(),
            certain,
        }
    }

    fn refuses(step: &Action) -> bool {
        matches!(step, Action::Refuse { .. })
    }

    #[test]
    fn a_rejected_batch_is_halved_down_to_the_record() {
        assert_eq!(decide(rejected(), MANY), Action::Halve);
        assert!(refuses(&decide(rejected(), ONE)));
    }

    #[test]
    fn a_record_is_not_blamed_by_a_set_up_that_never_worked() {
        let facts = Facts {
            trusted: false,
            ..ONE
        };
        assert!(matches!(decide(rejected(), facts), Action::Probe { .. }));
    }

    #[test]
    fn a_refusal_that_is_not_otlps_blames_a_record_only_where_an_empty_request_passes() {
        for facts in [ONE, MANY] {
            let step = decide(rejected_by(false), facts);
            assert!(matches!(step, Action::Probe { .. }), "{step:?}");
        }
        let vouched = |facts| Facts {
            vouched: true,
            ..facts
        };
        assert_eq!(decide(rejected_by(false), vouched(MANY)), Action::Halve);
        assert!(refuses(&decide(rejected_by(false), vouched(ONE))));
        let doubted = Facts {
            trusted: false,
            ..vouched(ONE)
        };
        assert!(matches!(
            decide(rejected_by(false), doubted),
            Action::Probe { .. }
        ));
    }

    #[test]
    fn a_fault_is_retried_however_often_while_nothing_else_is_accepted() {
        for faults in 1..100 {
            let facts = Facts { faults, ..ONE };
            assert!(matches!(decide(fault(), facts), Action::Wait { .. }));
        }
    }

    #[test]
    fn a_record_that_alone_meets_faults_is_refused_after_some() {
        let facts = |faults| Facts {
            faults,
            others_accepted: true,
            ..ONE
        };
        assert!(!refuses(&decide(fault(), facts(FAULTS - 1))));
        assert!(refuses(&decide(fault(), facts(FAULTS))));
    }

    #[test]
    fn a_batch_that_meets_faults_is_halved_after_some() {
        let facts = |faults| Facts { faults, ..MANY };
        assert!(matches!(decide(fault(), facts(1)), Action::Wait { .. }));
        assert_eq!(decide(fault(), facts(FAULTS)), Action::Halve);
    }

    #[test]
    fn a_record_is_not_too_large_for_a_set_up_that_never_worked() {
        let untrusted = |facts| Facts {
            trusted: false,
            ..facts
        };
        for certain in [true, false] {
            let step = decide(too_large(certain), untrusted(ONE));
            assert!(matches!(step, Action::Probe { .. }), "{step:?}");
            assert_eq!(decide(too_large(certain), untrusted(MANY)), Action::Halve);
        }
    }

    #[test]
    fn one_small_record_cannot_be_too_large_for_a_quota() {
        assert_eq!(decide(too_large(false), MANY), Action::Halve);
        let step = decide(too_large(false), ONE);
        assert!(
            matches!(
                step,
                Action::Wait {
                    cause: WaitReason::Blocked(_),
                    ..
                }
            ),
            "{step:?}"
        );
        assert!(refuses(&decide(too_large(true), ONE)));
        let large = Facts {
            bytes: 5 << 20,
            ..ONE
        };
        assert!(refuses(&decide(too_large(false), large)));
    }
}
