//! The buckets that a queue's policy lets announce objects.
//!
//! Enters: the policy's text. Leaves: names and patterns of buckets. What must hold: only a statement
//! that allows to send counts; what is no bucket's ARN names none.

use serde_json::{Map, Value};

/// Operators by which a condition names an ARN, `IfExists` and `ForAnyValue:` left out. All but
/// `StringEquals` take `*` and `?`.
const OPERATORS: [&str; 4] = ["arnlike", "arnequals", "stringlike", "stringequals"];

/// The buckets in `aws:SourceArn` of the statements that allow `sqs:SendMessage`:
/// `arn:aws:s3:::BUCKET`, also with a region, an account or patterns.
pub(crate) fn buckets(policy: &str) -> Vec<String> {
    let policy: Value = serde_json::from_str(policy).unwrap_or_default();
    let statements = policy.get("Statement").map(list).unwrap_or_default();
    let statements = statements.iter().filter_map(|value| value.as_object());
    let allowing = statements.filter(|statement| allows_to_send(statement));
    allowing
        .flat_map(source_arns)
        .filter_map(|arn| bucket(&arn))
        .collect()
}

fn allows_to_send(statement: &Map<String, Value>) -> bool {
    let allows = statement.get("Effect").and_then(Value::as_str) == Some("Allow");
    let actions = statement.get("Action").map(list).unwrap_or_default();
    let sends = |action: &&Value| action.as_str().is_some_and(is_send);
    allows && actions.iter().any(sends)
}

/// Whether an action, perhaps a pattern, is or has `sqs:SendMessage`.
fn is_send(action: &str) -> bool {
    let action = action.to_ascii_lowercase();
    let glob = globset::GlobBuilder::new(&action).build();
    glob.is_ok_and(|glob| glob.compile_matcher().is_match("sqs:sendmessage"))
}

fn source_arns(statement: &Map<String, Value>) -> Vec<String> {
    let conditions = statement.get("Condition").and_then(Value::as_object);
    let mut arns = Vec::new();
    for (operator, keys) in conditions.into_iter().flatten() {
        let operator = operator.to_ascii_lowercase();
        let operator = operator.rsplit(':').next().unwrap_or_default();
        let operator = operator.strip_suffix("ifexists").unwrap_or(operator);
        if !OPERATORS.contains(&operator) {
            continue;
        }
        for (key, value) in keys.as_object().into_iter().flatten() {
            if key.eq_ignore_ascii_case("aws:SourceArn") {
                let texts = list(value).into_iter().filter_map(Value::as_str);
                // There, a star is a star, which no bucket has.
                let literal = operator == "stringequals";
                let texts = texts.filter(|text| !literal || !text.contains(['*', '?']));
                arns.extend(texts.map(str::to_owned));
            }
        }
    }
    arns
}

/// The bucket of `arn:PARTITION:s3:REGION:ACCOUNT:BUCKET`, perhaps with a path of keys.
fn bucket(arn: &str) -> Option<String> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", _, service, _, _, resource] = parts[..] else {
        return None;
    };
    let name = resource.split('/').next().unwrap_or_default();
    // An access point's ARN has its name after the word.
    let access_point = name == "accesspoint" && resource != name;
    (service == "s3" && !access_point && !name.is_empty()).then(|| name.to_owned())
}

fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().collect(),
        value => vec![value],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn named(condition: &Value) -> Vec<String> {
        let statement = json!({"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "SQS:SendMessage", "Resource": "arn:aws:sqs:eu-west-1:1:q", "Condition": condition});
        buckets(&json!({"Version": "2012-10-17", "Statement": [statement]}).to_string())
    }

    #[test]
    fn the_buckets_of_every_operator_are_found() {
        let arn = "arn:aws:s3:::trail";
        for condition in [
            json!({"ArnLike": {"aws:SourceArn": arn}}),
            json!({"ArnEquals": {"AWS:SourceArn": arn}, "StringEquals": {"aws:SourceAccount": "1"}}),
            json!({"StringLike": {"aws:sourcearn": [arn, "arn:aws:sns:eu-west-1:1:topic"]}}),
            json!({"StringEquals": {"aws:SourceArn": arn}}),
            json!({"StringEqualsIfExists": {"aws:SourceArn": arn}}),
            json!({"ForAnyValue:ArnLikeIfExists": {"aws:SourceArn": [arn]}}),
            json!({"ArnLike": {"aws:SourceArn": "arn:aws-cn:s3:cn-north-1:1:trail"}}),
            json!({"ArnLike": {"aws:SourceArn": "arn:aws:s3:*:*:trail"}}),
            json!({"ArnLike": {"aws:SourceArn": "arn:*:s3:::trail/*"}}),
        ] {
            assert_eq!(named(&condition), ["trail"], "{condition}");
        }
        let patterns =
            json!({"ArnLike": {"aws:SourceArn": ["arn:aws:s3:::logs-*", "arn:aws:s3:*:*:a?c"]}});
        assert_eq!(named(&patterns), ["logs-*", "a?c"]);
    }

    #[test]
    fn what_names_no_bucket_names_none() {
        for condition in [
            json!(null),
            json!({}),
            json!({"ArnLike": "arn:aws:s3:::trail"}),
            json!({"ArnLike": {"aws:SourceArn": {"x": 1}}}),
            json!({"ArnNotLike": {"aws:SourceArn": "arn:aws:s3:::trail"}}),
            json!({"StringNotEquals": {"aws:SourceArn": "arn:aws:s3:::trail"}}),
            json!({"StringEquals": {"aws:SourceAccount": "arn:aws:s3:::trail"}}),
            json!({"StringEquals": {"aws:SourceArn": "arn:aws:s3:::logs-*"}}),
            json!({"ArnLike": {"aws:SourceArn": "arn:aws:sns:eu-west-1:1:trail"}}),
            json!({"ArnLike": {"aws:SourceArn": "arn:aws:events:eu-west-1:1:rule/trail"}}),
            json!({"ArnLike": {"aws:SourceArn": "arn:aws:s3:eu-west-1:1:accesspoint/trail"}}),
            json!({"ArnLike": {"aws:SourceArn": "arn:aws:s3:::"}}),
            json!({"ArnLike": {"aws:SourceArn": "trail"}}),
            json!({"ArnLike": {"aws:SourceArn": "*"}}),
        ] {
            assert_eq!(named(&condition), [""; 0], "{condition}");
        }
    }

    #[test]
    fn only_statements_that_allow_to_send_count() {
        let condition = json!({"ArnLike": {"aws:SourceArn": "arn:aws:s3:::trail"}});
        for (statement, counts) in [
            (
                json!({"Effect": "Allow", "Action": "sqs:SendMessage"}),
                true,
            ),
            (
                json!({"Effect": "Allow", "Action": ["sqs:GetQueueUrl", "SQS:Send*"]}),
                true,
            ),
            (json!({"Effect": "Allow", "Action": "sqs:*"}), true),
            (json!({"Effect": "Allow", "Action": "*"}), true),
            (
                json!({"Effect": "Deny", "Action": "sqs:SendMessage"}),
                false,
            ),
            (
                json!({"Effect": "Allow", "Action": "sqs:ReceiveMessage"}),
                false,
            ),
            (
                json!({"Effect": "Allow", "NotAction": "sqs:ReceiveMessage"}),
                false,
            ),
            (json!({"Action": "sqs:SendMessage"}), false),
        ] {
            let mut statement = statement;
            statement["Condition"] = condition.clone();
            // One statement may stand without a list.
            for statement in [json!([statement]), statement] {
                let found = buckets(&json!({"Statement": statement}).to_string());
                assert_eq!(!found.is_empty(), counts, "{statement}");
            }
        }
        for policy in ["", "{}", "[]", "no JSON", r#"{"Statement":7}"#] {
            assert_eq!(buckets(policy), [""; 0], "{policy}");
        }
    }
}
