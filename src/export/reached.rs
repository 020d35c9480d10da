//! Whether the answer to an empty request shows that a receiver of OTLP is there.

use super::classify::Answer;

/// Whether a set-up works, or its remedy.
pub(super) fn reached(answer: Answer) -> Result<String, String> {
    let text = answer.to_string();
    match answer {
        Answer::Accepted { .. } | Answer::Partial { .. } => Ok("takes OTLP".to_owned()),
        // Some receivers want no request without a record.
        Answer::Rejected { in_otlp: true, .. } => Ok(refuses(&text)),
        Answer::Rejected { status, .. } if status.starts_with("HTTP 422") => Ok(refuses(&text)),
        Answer::TooLarge { certain: false, .. } => Ok(busy(&text)),
        Answer::Retry { reason, .. } if reason.starts_with("HTTP 429") => Ok(busy(&text)),
        Answer::Retry { .. } => Err(format!(
            "{text} (is the collector running, and are export.endpoint and export.protocol right?)"
        )),
        // These name a remedy.
        Answer::Blocked { .. } | Answer::End(_) => Err(text),
        Answer::Rejected { .. } | Answer::TooLarge { .. } | Answer::Fault { .. } => Err(format!(
            "{text} (which is no answer of OTLP's to an empty request: are export.endpoint, its scheme and \
             export.protocol right?)"
        )),
    }
}

fn refuses(text: &str) -> String {
    format!("reached; it refuses a request without records: {text}")
}

fn busy(text: &str) -> String {
    format!("reached; it takes nothing now: {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_receiver_of_otlp_counts_as_reached() {
        let rejected = |status: &str, in_otlp| Answer::Rejected {
            status: status.to_owned(),
            message: "m".to_owned(),
            in_otlp,
        };
        let too_large = |certain| Answer::TooLarge {
            status: "s".to_owned(),
            message: "m".to_owned(),
            certain,
        };
        let fault = Answer::Fault {
            status: "HTTP 500".to_owned(),
            message: "m".to_owned(),
        };
        for (answer, is_reached) in [
            (Answer::ACCEPTED, true),
            (rejected("HTTP 422 Unprocessable Entity", false), true),
            (rejected("HTTP 400 Bad Request", true), true),
            (rejected("HTTP 400 Bad Request", false), false),
            (too_large(false), true),
            (too_large(true), false),
            (Answer::retry("HTTP 429 Too Many Requests: m"), true),
            (Answer::retry("HTTP 503 Service Unavailable: m"), false),
            (Answer::retry("cannot connect"), false),
            (Answer::blocked("HTTP 401: correct it"), false),
            (fault, false),
        ] {
            let result = reached(answer.clone());
            assert_eq!(result.is_ok(), is_reached, "{answer:?}: {result:?}");
        }
    }
}
