//! What Amazon Q did: conversations, the calls it made for people, code, telemetry, administration.

use fastrand::Rng;

use super::identity::Who;
use super::people::{self, PEOPLE, Person};
use super::record::{Call, Setting};
use qtrail_core::event::amazon_q::Class;

pub(super) const Q: &str = "q.amazonaws.com";

pub(super) static START_CONVERSATION: Call = Call::change(
    "q",
    "StartConversation",
    r#"{"source":"CONSOLE","Origin":"https://conversational-experience-worker.widget.console.aws.amazon.com","dryRun":false}"#,
    r#"{"conversationId":"$c","conversationToken":"***","Access-Control-Expose-Headers":"x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date"}"#,
);

pub(super) static SEND_MESSAGE: Call = Call::change(
    "q",
    "SendMessage",
    r#"{"Origin":"https://conversational-experience-worker.widget.console.aws.amazon.com","conversationId":"$c","source":"CONSOLE","conversationToken":"***","utterance":"***"}"#,
    r#"{"result":{"content":{"text":{"body":"***","references":[]}},"format":"PLAINTEXT","intents":{},"type":"TEXT"},"Access-Control-Expose-Headers":"x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date","metadata":{"conversationExpirationTime":"$t","conversationId":"$c","conversationToken":"***","utteranceId":"$u"},"resultCode":"LLM"}"#,
);

pub(super) static PASS_REQUEST: Call = Call::change("q", "PassRequest", "null", "null");

pub(super) static LIST_BUCKETS: Call =
    Call::read("s3", "ListBuckets", r#"{"Host":"s3.amazonaws.com"}"#)
        .with(r#""additionalEventData":{"SignatureVersion":"SigV4","CipherSuite":"TLS_AES_128_GCM_SHA256","bytesTransferredIn":0,"AuthenticationMethod":"AuthHeader","x-amz-id-2":"$k","bytesTransferredOut":$n},"#);

pub(super) static DESCRIBE_INSTANCES: Call = Call::read(
    "ec2",
    "DescribeInstances",
    r#"{"instancesSet":{},"filterSet":{},"maxResults":100}"#,
);

pub(super) static LIST_FUNCTIONS: Call =
    Call::read("lambda", "ListFunctions20150331", r#"{"maxItems":50}"#);

/// A probe: EC2 returns an error if the call would have succeeded.
pub(super) static DRY_RUN: Call = Call::change(
    "ec2",
    "StopInstances",
    r#"{"instancesSet":{"items":[{"instanceId":"i-0$h"}]},"force":false,"dryRun":true}"#,
    "null",
)
.failing(
    "Client.DryRunOperation",
    "Request would have succeeded, but DryRun flag is set.",
);

pub(super) static DENIED: Call = Call::read(
    "s3",
    "GetBucketPolicy",
    r#"{"bucketName":"finance-$a","Host":"finance-$a.s3.$r.amazonaws.com","policy":""}"#,
)
.failing(
    "AccessDenied",
    "User: $p is not authorized to perform: s3:GetBucketPolicy on resource: arn:aws:s3:::finance-$a",
);

pub(super) static COMPLETION: Call = Call::change(
    "codewhisperer",
    "GenerateCompletions",
    r#"{"fileContext":{"filename":"HIDDEN_DUE_TO_SECURITY_REASONS","programmingLanguage":{"languageName":"rust"},"leftFileContent":"HIDDEN_DUE_TO_SECURITY_REASONS","rightFileContent":"HIDDEN_DUE_TO_SECURITY_REASONS"},"maxResults":5,"nextToken":"","profileArn":"arn:aws:codewhisperer:$r:$a:profile/EXAMPLE$h"}"#,
    r#"{"completions":[],"nextToken":""}"#,
)
.data();

pub(super) static IDE_CHAT: Call = Call::change(
    "codewhisperer",
    "GenerateAssistantResponse",
    r#"{"conversationState":{"conversationId":"$c","currentMessage":{"userInputMessage":{"content":"HIDDEN_DUE_TO_SECURITY_REASONS","modelId":"claude-sonnet-4","origin":"IDE"}},"chatTriggerType":"MANUAL"},"profileArn":"arn:aws:codewhisperer:$r:$a:profile/EXAMPLE$h"}"#,
    "null",
)
.data();

pub(super) static IDE_TELEMETRY: Call = Call::change(
    "codewhisperer",
    "SendTelemetryEvent",
    r#"{"clientToken":"$u","telemetryEvent":{"chatAddMessageEvent":{"conversationId":"$c","messageId":"$u","userIntent":"SHOW_EXAMPLES","hasCodeSnippet":false,"programmingLanguage":{"languageName":"rust"},"timeToFirstChunkMilliseconds":$n,"timeBetweenChunks":[],"fullResponselatency":$m,"requestLength":$n,"responseLength":$n,"numberOfCodeBlocks":1}},"optOutPreference":"OPTIN","userContext":{"ideCategory":"VSCODE","operatingSystem":"MAC","product":"CodeWhisperer","clientId":"$u","ideVersion":"1.101.2"},"profileArn":"arn:aws:codewhisperer:$r:$a:profile/EXAMPLE$h"}"#,
    "null",
)
.data();

pub(super) static CREATE_ASSIGNMENT: Call = Call::change(
    "q",
    "CreateAssignment",
    r#"{"principalType":"USER","principalId":"$u","profileArn":"arn:aws:codewhisperer:$r:$a:profile/EXAMPLE$h"}"#,
    "{}",
);

static CREATE_CLAIM: Call = Call::change(
    "user-subscriptions",
    "CreateClaim",
    r#"{"applicationArn":"arn:aws:sso::$a:application/ssoins-EXAMPLE/apl-EXAMPLE","subscriptionType":"Q_DEVELOPER_STANDALONE_PRO"}"#,
    r#"{"claimArn":"arn:aws:user-subscriptions:$r:$a:claim/$u"}"#,
);

/// Amazon Q's events of one file: one scene after the other, each of one person.
pub(super) struct Scenes {
    /// Says which conversation a person is in: equal for the files of a quarter of an hour.
    seed: u64,
    person: &'static Person,
    step: u32,
    steps: u32,
}

impl Scenes {
    pub(super) fn new(seed: u64) -> Self {
        Scenes {
            seed,
            person: PEOPLE[0],
            step: 0,
            steps: 0,
        }
    }

    /// Chooses the next call; `at` brings time and place and gets the rest.
    pub(super) fn next(&mut self, at: &mut Setting, rng: &mut Rng) -> (&'static Call, Class) {
        if self.step == self.steps {
            self.person = PEOPLE[rng.usize(..PEOPLE.len())];
            self.step = 0;
            self.steps = rng.u32(4..16);
        }
        let first = self.step == 0;
        self.step += 1;
        at.conversation = self.conversation();
        let (call, class) = choose(first, rng);
        (at.identity, at.agent, at.address) = match call.service {
            "codewhisperer" => {
                let (identity, agent, address) = ide(self.person);
                // The command line's chat goes to the same service as the IDEs'.
                let from_cli = class == Class::Conversation && rng.u32(..3) == 0;
                (
                    identity,
                    if from_cli { people::Q_CLI_CHAT } else { agent },
                    address,
                )
            }
            _ => caller(self.person, class, rng),
        };
        (call, class)
    }

    fn conversation(&self) -> u128 {
        let person = self.person.user.bytes().fold(self.seed, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Rng::with_seed(person).u128(..)
    }
}

fn choose(first: bool, rng: &mut Rng) -> (&'static Call, Class) {
    if first {
        return (&START_CONVERSATION, Class::Conversation);
    }
    match rng.u32(..100) {
        0..30 => (&SEND_MESSAGE, Class::Conversation),
        30..38 => (&PASS_REQUEST, Class::PassRequest),
        38..44 => (&LIST_BUCKETS, Class::OnBehalfOf),
        44..50 => (&DESCRIBE_INSTANCES, Class::OnBehalfOf),
        50..54 => (&LIST_FUNCTIONS, Class::OnBehalfOf),
        54..56 => (&DRY_RUN, Class::OnBehalfOf),
        56..58 => (&DENIED, Class::OnBehalfOf),
        58..64 => (&DESCRIBE_INSTANCES, Class::AgentCall),
        64..68 => (&LIST_BUCKETS, Class::AgentCall),
        68..80 => (&COMPLETION, Class::Code),
        80..86 => (&IDE_CHAT, Class::Conversation),
        86..98 => (&IDE_TELEMETRY, Class::Telemetry),
        98 => (&CREATE_ASSIGNMENT, Class::Administration),
        _ => (&CREATE_CLAIM, Class::Administration),
    }
}

fn caller(
    person: &'static Person,
    class: Class,
    rng: &mut Rng,
) -> (Who, &'static str, &'static str) {
    match class {
        Class::PassRequest | Class::OnBehalfOf => on_behalf_of(person),
        Class::AgentCall => {
            let agent = if rng.bool() {
                people::Q_CLI
            } else {
                people::Q_IDE
            };
            (itself(person), agent, person.address)
        }
        _ => (itself(person), person.browser, person.address),
    }
}

/// Amazon Q, for a person.
pub(super) fn on_behalf_of(person: &'static Person) -> (Who, &'static str, &'static str) {
    (
        Who::Person {
            person,
            invoked_by: Some(Q),
        },
        Q,
        Q,
    )
}

/// A person's IDE.
pub(super) fn ide(person: &'static Person) -> (Who, &'static str, &'static str) {
    (
        Who::IdentityCenter { person },
        people::VSCODE,
        person.address,
    )
}

/// A person with credentials of their own.
pub(super) fn itself(person: &'static Person) -> Who {
    Who::Person {
        person,
        invoked_by: None,
    }
}
