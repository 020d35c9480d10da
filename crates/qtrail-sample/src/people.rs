//! The people, accounts and clients of made-up trails. Account numbers, keys, names and addresses
//! are those that AWS and the RFCs reserve for examples.

/// A person who works with Amazon Q.
#[derive(Debug)]
pub(super) struct Person {
    /// The user's or the session's name.
    pub(super) user: &'static str,
    /// The role whose session the person uses; an IAM user where there is none.
    pub(super) role: Option<&'static str>,
    pub(super) principal: &'static str,
    /// The user's id in the identity store.
    pub(super) store_id: &'static str,
    pub(super) credential_id: &'static str,
    pub(super) address: &'static str,
    pub(super) browser: &'static str,
}

/// The accounts of a trail.
pub(super) const ACCOUNTS: [&str; 3] = ["111122223333", "444455556666", "123456789012"];

/// The regions of a trail.
pub(super) const REGIONS: [&str; 3] = ["us-east-1", "eu-west-1", "ap-southeast-2"];

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36";
const SAFARI: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15";

pub(super) static MARY: Person = Person {
    user: "mary_major",
    role: Some("PowerUser"),
    principal: "AROAMARYMAJOR7EXAMPLE",
    store_id: "b4c85418-1051-7000-8000-0ac12example",
    credential_id: "5c1ae1b2EXAMPLEmary",
    address: "203.0.113.17",
    browser: FIREFOX,
};

pub(super) static PAULO: Person = Person {
    user: "paulo_santos",
    role: None,
    principal: "AIDAPAULOSANTOSEXAMPLE",
    store_id: "84d8e478-9071-70f2-8000-1bd23example",
    credential_id: "8b0f77c3EXAMPLEpaulo",
    address: "198.51.100.42",
    browser: CHROME,
};

pub(super) static NIKKI: Person = Person {
    user: "nikki_wolf",
    role: Some("Developer"),
    principal: "AROANIKKIWOLF6EXAMPLE",
    store_id: "c4a8b4e8-60c1-70d1-8000-2ce34example",
    credential_id: "0d93a6f4EXAMPLEnikki",
    address: "192.0.2.88",
    browser: SAFARI,
};

pub(super) static ARNAV: Person = Person {
    user: "arnav_desai",
    role: Some("Administrator"),
    principal: "AROAARNAVDESAIEXAMPLE",
    store_id: "f438d4d8-20b1-7043-8000-3df45example",
    credential_id: "e77b10d5EXAMPLEarnav",
    address: "203.0.113.201",
    browser: CHROME,
};

static SAANVI: Person = Person {
    user: "saanvi_sarkar",
    role: Some("Developer"),
    principal: "AROASAANVISARKAREXAMPLE",
    store_id: "14e864d8-b011-70e5-8000-4e056example",
    credential_id: "3f20c9e6EXAMPLEsaanvi",
    address: "198.51.100.7",
    browser: FIREFOX,
};

static MATEO: Person = Person {
    user: "mateo_jackson",
    role: None,
    principal: "AIDAMATEOJACKSONEXAMPLE",
    store_id: "64c8f418-7081-7027-8000-5f167example",
    credential_id: "b6a84df7EXAMPLEmateo",
    address: "192.0.2.140",
    browser: SAFARI,
};

/// Everyone.
pub(super) static PEOPLE: [&Person; 6] = [&MARY, &PAULO, &NIKKI, &ARNAV, &SAANVI, &MATEO];

/// How Amazon Q's command line shows when it runs the AWS command line for a person.
pub(super) const Q_CLI: &str = "aws-cli/2.27.50 md/awscrt#0.26.1 ua/2.1 os/linux#6.8.0-1031-aws md/arch#x86_64 lang/python#3.13.4 md/pyimpl#CPython exec-env/AmazonQ-For-CLI-Version-1.12.4 m/b,E,Z cfg/retry-mode#standard md/installer#exe md/prompt#off md/command#s3api.list-buckets";

/// How Amazon Q's command line shows when it talks to its own service.
pub(super) const Q_CLI_CHAT: &str = "aws-sdk-rust/1.3.7 ua/2.1 api/codewhispererstreaming/0.1.10231 os/linux lang/rust/1.87.0 md/appVersion-1.12.4 app/AmazonQ-For-CLI";

/// How an IDE's agent shows when it runs the AWS command line for a person.
pub(super) const Q_IDE: &str = "aws-cli/2.27.50 md/awscrt#0.26.1 ua/2.1 os/macos#24.5.0 md/arch#arm64 lang/python#3.13.4 md/pyimpl#CPython exec-env/AmazonQ-For-IDE-Version-1.83.0 cfg/retry-mode#standard md/installer#exe md/command#ec2.describe-instances";

/// An IDE's extension, talking to its own service.
pub(super) const VSCODE: &str = "aws-sdk-js/1.0.0 ua/2.1 os/darwin#24.5.0 lang/js md/nodejs#22.15.1 api/codewhispererruntime#1.0.0 AmazonQ-For-VSCode/1.83.0 Visual-Studio-Code/1.101.2 ClientId/6b1f2c1e-2d5c-4f5c-9d8a-EXAMPLE00001";

/// The clients of everything that is not Amazon Q's, by how often they occur.
pub(super) static CLIENTS: [&str; 8] = [
    "Boto3/1.38.46 md/Botocore#1.38.46 ua/2.1 os/linux#5.10.237-230.949.amzn2.x86_64 md/arch#x86_64 lang/python#3.12.10 md/pyimpl#CPython exec-env/AWS_Lambda_python3.12 m/Z,b cfg/retry-mode#legacy Botocore/1.38.46",
    "aws-sdk-java/2.31.66 md/io#sync md/http#Apache ua/2.1 os/Linux#5.10.236 lang/java#17.0.15 md/OpenJDK_64-Bit_Server_VM#17.0.15+6-LTS md/vendor#Amazon.com_Inc. exec-env/AWS_ECS_FARGATE m/D,N",
    "aws-sdk-go-v2/1.36.5 ua/2.1 os/linux lang/go#1.24.4 md/GOOS#linux md/GOARCH#amd64 api/sts#1.33.19 m/E,g",
    "APN/1.0 HashiCorp/1.0 Terraform/1.12.2 (+https://www.terraform.io) terraform-provider-aws/6.0.0 (+https://registry.terraform.io/providers/hashicorp/aws) aws-sdk-go-v2/1.36.5 ua/2.1 os/linux lang/go#1.23.10",
    "aws-cli/2.27.50 md/awscrt#0.26.1 ua/2.1 os/linux#6.8.0-1031-aws md/arch#x86_64 lang/python#3.13.4 md/pyimpl#CPython m/b,E,Z cfg/retry-mode#standard md/installer#exe md/prompt#off md/command#ec2.describe-instances",
    "kube-controller-manager/v1.33.1 (linux/amd64) kubernetes/f2e0a2f karpenter.sh-1.5.0 aws-sdk-go-v2/1.36.5",
    "[aws-sdk-js/2.1692.0 linux/v20.19.2 promise exec-env/AWS_Lambda_nodejs20.x]",
    "AWS Internal",
];
