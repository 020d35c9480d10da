//! What other services did: most of any trail.

use fastrand::Rng;

use super::identity::Who;
use super::people::{CLIENTS, PEOPLE};
use super::record::{Call, Setting};

/// The kinds of calls, each with how often it occurs.
static CALLS: &[(u32, Call)] = &[
    (
        14,
        Call {
            read_only: true,
            ..Call::change(
                "sts",
                "AssumeRole",
                r#"{"roleArn":"arn:aws:iam::$a:role/workload-$n","roleSessionName":"session-$n","durationSeconds":3600}"#,
                r#"{"credentials":{"accessKeyId":"ASIAIOSFODNN7EXAMPLE","sessionToken":"EXAMPLETOKEN$k$k$k$k","expiration":"$t"},"assumedRoleUser":{"assumedRoleId":"AROAWORKLOADROLEXAMPLE:session-$n","arn":"arn:aws:sts::$a:assumed-role/workload/session-$n"}}"#,
            )
            .with(r#""resources":[{"accountId":"$a","type":"AWS::IAM::Role","ARN":"arn:aws:iam::$a:role/workload"}],"#)
        },
    ),
    (3, Call::read("sts", "GetCallerIdentity", "null")),
    (
        12,
        Call::read("ec2", "DescribeInstances", r#"{"instancesSet":{"items":[{"instanceId":"i-0$h"},{"instanceId":"i-0$h"}]},"filterSet":{"items":[{"name":"tag:kubernetes.io/cluster/main","valueSet":{"items":[{"value":"owned"}]}}]}}"#),
    ),
    (5, Call::read("ec2", "DescribeNetworkInterfaces", r#"{"networkInterfaceIdSet":{},"filterSet":{"items":[{"name":"vpc-id","valueSet":{"items":[{"value":"vpc-0$h"}]}}]},"maxResults":1000}"#)),
    (4, Call::read("ec2", "DescribeVolumes", r#"{"volumeSet":{"items":[{"volumeId":"vol-0$h"}]},"filterSet":{}}"#)),
    (
        2,
        Call::change("ec2", "CreateTags", r#"{"resourcesSet":{"items":[{"resourceId":"i-0$h"}]},"tagSet":{"items":[{"key":"Name","value":"worker-$n"},{"key":"team","value":"platform"}]}}"#, r#"{"requestId":"$u","_return":true}"#),
    ),
    (
        1,
        Call::change("ec2", "RunInstances", r#"{"instancesSet":{"items":[{"imageId":"ami-0$h","minCount":1,"maxCount":1}]},"instanceType":"m7g.large","monitoring":{"enabled":false},"disableApiTermination":false}"#, "null")
            .failing("Client.UnauthorizedOperation", "You are not authorized to perform this operation. User: arn:aws:sts::$a:assumed-role/ci/$p is not authorized to perform: ec2:RunInstances"),
    ),
    (
        10,
        Call::read("kms", "Decrypt", r#"{"encryptionAlgorithm":"SYMMETRIC_DEFAULT","keyId":"arn:aws:kms:$r:$a:key/$u","encryptionContext":{"aws:s3:arn":"arn:aws:s3:::logs-$a-$n"}}"#)
            .with(r#""resources":[{"accountId":"$a","type":"AWS::KMS::Key","ARN":"arn:aws:kms:$r:$a:key/$u"}],"#),
    ),
    (6, Call::read("kms", "GenerateDataKey", r#"{"keySpec":"AES_256","keyId":"alias/aws/s3","encryptionContext":{"aws:s3:arn":"arn:aws:s3:::data-$a-$n"}}"#)),
    (
        9,
        Call::read("s3", "GetObject", r#"{"bucketName":"data-$a","Host":"data-$a.s3.$r.amazonaws.com","key":"year=2026/part-$n-$h.parquet"}"#)
            .data()
            .with(r#""additionalEventData":{"SignatureVersion":"SigV4","CipherSuite":"TLS_AES_128_GCM_SHA256","bytesTransferredIn":0,"SSEApplied":"SSE_S3","AuthenticationMethod":"AuthHeader","x-amz-id-2":"$k","bytesTransferredOut":$n},"resources":[{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::data-$a/part-$n"},{"accountId":"$a","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::data-$a"}],"#),
    ),
    (
        4,
        Call::change("s3", "PutObject", r#"{"bucketName":"logs-$a","Host":"logs-$a.s3.$r.amazonaws.com","key":"app/$n/$h.json","x-amz-acl":"bucket-owner-full-control"}"#, r#"{"x-amz-server-side-encryption":"AES256"}"#)
            .data()
            .with(r#""additionalEventData":{"SignatureVersion":"SigV4","CipherSuite":"TLS_AES_128_GCM_SHA256","bytesTransferredIn":$n,"AuthenticationMethod":"AuthHeader","x-amz-id-2":"$k","bytesTransferredOut":0},"#),
    ),
    (3, Call::read("s3", "GetBucketAcl", r#"{"bucketName":"trail-$a","Host":"trail-$a.s3.$r.amazonaws.com","acl":""}"#)),
    (4, Call::change("logs", "CreateLogStream", r#"{"logGroupName":"/aws/lambda/worker-$n","logStreamName":"2026/01/15/[$$LATEST]$h$h"}"#, "null")),
    (3, Call::read("logs", "DescribeLogStreams", r#"{"logGroupName":"/aws/lambda/worker-$n","orderBy":"LastEventTime","descending":true,"limit":50}"#)),
    (2, Call::read("iam", "GetRole", r#"{"roleName":"workload-$n"}"#)),
    (2, Call::read("iam", "ListAttachedRolePolicies", r#"{"roleName":"workload-$n"}"#)),
    (4, Call::read("ssm", "GetParameter", r#"{"name":"/prod/worker/$n/url","withDecryption":true}"#)),
    (5, Call::change("ssm", "UpdateInstanceInformation", r#"{"instanceId":"i-0$h","agentVersion":"3.3.2299.0","agentStatus":"Active","platformType":"Linux","platformName":"Amazon Linux","platformVersion":"2023","iPAddress":"10.0.12.34","computerName":"ip-10-0-12-34.$r.compute.internal","agentName":"amazon-ssm-agent","availabilityZone":"$ra"}"#, "null")),
    (3, Call::read("secretsmanager", "GetSecretValue", r#"{"secretId":"arn:aws:secretsmanager:$r:$a:secret:worker-$n-AbCdEf"}"#)),
    (3, Call::read("dynamodb", "DescribeTable", r#"{"tableName":"orders-$n"}"#)),
    (3, Call::read("ecr", "BatchGetImage", r#"{"registryId":"$a","repositoryName":"worker","imageIds":[{"imageTag":"v$n"}],"acceptedMediaTypes":["application/vnd.oci.image.manifest.v1+json"]}"#)),
    (2, Call::read("lambda", "ListFunctions20150331", r#"{"maxItems":50}"#)),
    (2, Call::read("eks", "DescribeCluster", r#"{"name":"main"}"#)),
    (2, Call::read("monitoring", "DescribeAlarms", r#"{"maxRecords":100,"alarmNamePrefix":"TargetTracking-table/orders-$n"}"#)),
    (1, Call::change("cloudformation", "CreateStack", r#"{"stackName":"svc-$n","capabilities":["CAPABILITY_IAM"],"tags":[{"key":"team","value":"platform"}]}"#, r#"{"stackId":"arn:aws:cloudformation:$r:$a:stack/svc-$n/$u"}"#)),
    (
        1,
        Call::read("s3", "GetBucketPolicy", r#"{"bucketName":"finance-$a","Host":"finance-$a.s3.$r.amazonaws.com","policy":""}"#)
            .failing("AccessDenied", "User: arn:aws:sts::$a:assumed-role/ci/$p is not authorized to perform: s3:GetBucketPolicy on resource"),
    ),
    (1, Call::read("bedrock", "InvokeModel", r#"{"modelId":"anthropic.claude-3-5-sonnet-20240620-v1:0"}"#)),
];

/// Rare calls: each about once in a thousand events or less.
static RARE: &[Call] = &[
    // Names an Amazon Q service in its content, and is none of its events.
    Call::change(
        "iam",
        "CreateServiceLinkedRole",
        r#"{"aWSServiceName":"q.amazonaws.com","description":"Lets Amazon Q act"}"#,
        r#"{"role":{"path":"/aws-service-role/q.amazonaws.com/","roleName":"AWSServiceRoleForAmazonQDeveloper","roleId":"AROAWORKLOADROLEXAMPLE","arn":"arn:aws:iam::$a:role/aws-service-role/q.amazonaws.com/AWSServiceRoleForAmazonQDeveloper","createDate":"$t"}}"#,
    ),
    Call::change(
        "iam",
        "PutRolePolicy",
        r#"{"roleName":"audit-$n","policyName":"inline","policyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":[\"q:SendMessage\",\"q:StartConversation\"],\"Resource\":\"*\",\"Condition\":{\"StringEquals\":{\"aws:CalledVia\":\"q.amazonaws.com\"}}}]}"}"#,
        "null",
    ),
    Call::change("signin", "ConsoleLogin", "null", r#"{"ConsoleLogin":"Success"}"#)
        .with(r#""additionalEventData":{"LoginTo":"https://console.aws.amazon.com/console/home","MobileVersion":"No","MFAUsed":"Yes"},"#),
    Call::change(
        "config",
        "PutEvaluations",
        r#"{"evaluations":[],"testMode":false}"#,
        r#"{"failedEvaluations":[]}"#,
    ),
];

/// An event of 50 to 200 KB.
static LARGE: Call = Call::read(
    "config",
    "BatchGetResourceConfig",
    r#"{"resourceKeys":[$L]}"#,
);

static SERVICES: [&str; 5] = [
    "lambda.amazonaws.com",
    "ec2.amazonaws.com",
    "ecs-tasks.amazonaws.com",
    "cloudtrail.amazonaws.com",
    "autoscaling.amazonaws.com",
];

static WORKLOADS: [(&str, &str); 6] = [
    ("workload-eks-node", "i-0a1b2c3d4e5f60718"),
    ("workload-orders", "orders-worker"),
    ("karpenter", "1737000000000000000"),
    ("ci", "github-actions"),
    ("workload-billing", "billing-nightly"),
    ("AWSServiceRoleForConfig", "configLambdaExecution"),
];

/// Chooses a call and its caller. `at` has the time, account and region; the rest is filled in.
pub(super) fn next(at: &mut Setting, rng: &mut Rng) -> &'static Call {
    (at.identity, at.agent, at.address) = caller(rng);
    match rng.u32(..20_000) {
        0 => &LARGE,
        1..=40 => &RARE[rng.usize(..RARE.len())],
        _ => weighted(rng),
    }
}

fn weighted(rng: &mut Rng) -> &'static Call {
    let total: u32 = CALLS.iter().map(|(weight, _)| weight).sum();
    let mut ticket = rng.u32(..total);
    for (weight, call) in CALLS {
        if ticket < *weight {
            return call;
        }
        ticket -= weight;
    }
    &CALLS[0].1
}

/// Shares as in a real trail of 2,900 events: no type in 1.5 %, an invoking service in 12 %, half of
/// these `AWS Internal`.
fn caller(rng: &mut Rng) -> (Who, &'static str, &'static str) {
    let (role, session) = WORKLOADS[rng.usize(..WORKLOADS.len())];
    let workload = |invoked_by| Who::Workload {
        role,
        session,
        invoked_by,
    };
    match rng.u32(..1_000) {
        0..15 => (Who::Untyped, CLIENTS[0], "198.51.100.200"),
        15..75 => (
            workload(Some("AWS Internal")),
            "AWS Internal",
            "AWS Internal",
        ),
        75..135 => {
            let name = SERVICES[rng.usize(..SERVICES.len())];
            (workload(Some(name)), name, name)
        }
        135..235 => {
            let name = SERVICES[rng.usize(..SERVICES.len())];
            (Who::Service { name }, name, name)
        }
        235..385 => {
            let person = PEOPLE[rng.usize(..PEOPLE.len())];
            let identity = Who::Person {
                person,
                invoked_by: None,
            };
            (identity, CLIENTS[3 + rng.usize(..2)], person.address)
        }
        _ => {
            let address = ["10.0.12.34", "10.0.48.7", "203.0.113.99", "198.51.100.23"];
            // Earlier clients are more frequent.
            let client = rng.usize(..7).min(rng.usize(..7));
            (workload(None), CLIENTS[client], address[rng.usize(..4)])
        }
    }
}
