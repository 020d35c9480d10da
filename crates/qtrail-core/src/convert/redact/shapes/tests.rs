use std::cell::Cell;

use super::*;

thread_local! {
    static LOOKED_AT: Cell<usize> = const { Cell::new(0) };
}

pub(super) fn looked_at(bytes: usize) {
    LOOKED_AT.with(|looked| looked.set(looked.get() + bytes));
}

/// The text with `…` in the place of what was found.
fn masked(text: &str) -> String {
    let mut ranges = Vec::new();
    find(text, Signs::of(text), 0, |range| ranges.push(range));
    let mut covered = vec![false; text.len()];
    ranges
        .into_iter()
        .for_each(|range| covered[range].fill(true));
    let mut out = String::new();
    for (at, c) in text.char_indices() {
        match covered[at] {
            false => out.push(c),
            true if !out.ends_with('…') => out.push('…'),
            true => {}
        }
    }
    out
}

#[test]
fn secrets_are_found_where_they_stand() {
    for (text, expected) in [
        // Presigned URLs.
        (
            "https://b.s3.amazonaws.com/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAEX%2F20260101&X-Amz-Security-Token=IQoJb3JpZ2luX2Vj%2Fxyz&X-Amz-Expires=900&X-Amz-Signature=3f9a3f9a",
            "https://b.s3.amazonaws.com/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=…&X-Amz-Security-Token=…&X-Amz-Expires=900&X-Amz-Signature=…",
        ),
        (
            "https://b.s3.amazonaws.com/k?AWSAccessKeyId=AKIAEX&Signature=abc%3D&Expires=1700000000",
            "https://b.s3.amazonaws.com/k?AWSAccessKeyId=…&Signature=…&Expires=1700000000",
        ),
        (
            "https://a.blob.core.windows.net/c/f?sv=2024&se=2026-01-01&sig=Zm9v%2Bbar",
            "https://a.blob.core.windows.net/c/f?sv=2024&se=2026-01-01&sig=…",
        ),
        (
            "https://storage.googleapis.com/b/o?X-Goog-Credential=x%40y&X-Goog-Signature=0a1b",
            "https://storage.googleapis.com/b/o?X-Goog-Credential=…&X-Goog-Signature=…",
        ),
        // Forms, connection strings, headers, command lines, markup.
        ("user=bob&password=hunter2&x=1", "user=bob&password=…&x=1"),
        (
            "Server=db;User Id=sa;Password=hunter2;",
            "Server=db;User Id=sa;Password=…;",
        ),
        ("Server=db;Pwd = hunter2", "Server=db;Pwd = …"),
        (
            "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=Zm9v+/==;EndpointSuffix=x",
            "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=…;EndpointSuffix=x",
        ),
        (
            "host=db password='hun ter2' user=x",
            "host=db password='…' user=x",
        ),
        ("password: hunter2\nuser: bob", "password: …\nuser: bob"),
        (
            "{type=User, password=hunter2, name=x}",
            "{type=User, password=…, name=x}",
        ),
        ("password => \"hunter2\"", "password => \"…\""),
        (
            "Authorization: Bearer abc.def-ghi\r\nHost: x",
            "Authorization: …\r\nHost: x",
        ),
        (
            "curl -H 'Authorization: Basic dTpw' https://x",
            "curl -H 'Authorization: …' https://x",
        ),
        ("Cookie: a=b; c=d", "Cookie: …"),
        ("x-api-key: 1234abcd", "x-api-key: …"),
        (
            "curl -u admin:hunter2 https://x",
            "curl -u admin:… https://x",
        ),
        (
            "tool --user admin:hunter2 --password hunter3 --verbose",
            "tool --user admin:… --password … --verbose",
        ),
        ("mysql --password=hunter2 db", "mysql --password=… db"),
        (
            "export DB_PASSWORD=hunter2; run",
            "export DB_PASSWORD=…; run",
        ),
        (
            "<Password>hunter2</Password><b>x</b>",
            "<Password>…</Password><b>x</b>",
        ),
        (
            "<wsse:Password>hunter2</wsse:Password>",
            "<wsse:Password>…</wsse:Password>",
        ),
        // JSON in the middle of a text, cut, or inside JSON.
        (
            r#"got {"password":"hunter2","a":1}"#,
            r#"got {"password":"…","a":1}"#,
        ),
        (r#"{"token": "hun\"ter2", "a"#, r#"{"token": "…", "a"#),
        (
            r#"{\"token\":\"hunter2\",\"a\":1}"#,
            r#"{\"token\":\"…\",\"a\":1}"#,
        ),
        (r#"{"a":1,"secret":{"x":"hunter2"#, r#"{"a":1,"secret":…"#),
        (r#"{"a":1,"password":"hunt"#, r#"{"a":1,"password":"…"#),
        // Operators, texts of programming languages, types, quotes in values.
        ("Authorization: Token token=\"hunter2\"", "Authorization: …"),
        (
            "Authorization: OAuth oauth_token=\"hunter2\", oauth_signature=\"hunter3\"\nHost: x",
            "Authorization: …\nHost: x",
        ),
        (
            "Authorization: Digest username=\"b\", response=\"hunter2\"",
            "Authorization: …",
        ),
        (
            "curl -H \"Authorization: Digest response='hunter2'\" https://x",
            "curl -H \"Authorization: …\" https://x",
        ),
        ("PASSWORD := hunter2 x", "PASSWORD := … x"),
        ("PASSWORD ::= hunter2", "PASSWORD ::= …"),
        ("PASSWORD ?= hunter2", "PASSWORD ?= …"),
        ("if (password === \"hunter2\")", "if (password === \"…\")"),
        ("if (password != 'hunter2')", "if (password != '…')"),
        (
            "ALTER LOGIN x WITH PASSWORD=N'hunter2' y",
            "ALTER LOGIN x WITH PASSWORD=N'…' y",
        ),
        ("password=b'hunter2'", "password=b'…'"),
        ("password=f\"hunter2\"", "password=f\"…\""),
        ("password=\"\"\"hunter2\"\"\"", "password=\"\"\"…\"\"\""),
        ("password: !Sub \"hunter2\"\nx: y", "password: …\"\nx: y"),
        ("password: &p hunter2", "password: …"),
        (
            "password: |\n  hunter2\n  hunter3\nx: y",
            "password: |\n…\nx: y",
        ),
        ("let password: str = \"hunter2\"", "let password: …\""),
        ("let password: string = \"hunter2\";", "let password: …\";"),
        ("password=hun\"ter2 x", "password=… x"),
        ("password=hun'ter2 x", "password=… x"),
        ("password=hun\\ter2 x", "password=… x"),
        ("password=hun|ter2 x", "password=… x"),
        ("password=hun<ter2 x", "password=… x"),
        ("Server=h;Password=hun&ter;2;x=1", "Server=h;Password=…;x=1"),
        ("password=hunter2\\nuser=bob", "password=…\\nuser=bob"),
        ("password=[\"a\", \"hunter2\"] x", "password=… x"),
        ("password: `hunter2` x", "password: `…` x"),
        (
            "username          = \"admin\"\npassword          = \"hunter2\"",
            "username          = \"admin\"\npassword          = \"…\"",
        ),
        ("password\t=\thunter2", "password\t=\t…"),
        ("\"password\":\t\"hunter2\"", "\"password\":\t\"…\""),
        (
            "x {\n \"password\":\n  \"hunter2\"\n}",
            "x {\n \"password\":\n  \"…\"\n}",
        ),
        ("tool --password\thunter2", "tool --password\t…"),
        (
            "tool --password \\\n  hunter2 --x",
            "tool --password \\\n  … --x",
        ),
        (
            "curl --user=bob:hunter2 https://h",
            "curl --user=bob:… https://h",
        ),
        ("djoin /password:hunter2 /x", "djoin /password:… /x"),
        ("Bearer\thunter2345", "Bearer\t…"),
        ("Bearer  hunter2345", "Bearer  …"),
        ("Bearer \"hunter2345\"", "Bearer \"…\""),
        (
            "<wsse:Password Type=\"http://x#PasswordText\">hunter2</wsse:Password>",
            "<wsse:Password Type=\"http://x#PasswordText\">…</wsse:Password>",
        ),
        (
            "<password><![CDATA[hun<ter2]]></password>",
            "<password><![CDATA[…]]></password>",
        ),
        (
            "<property name=\"password\" value=\"hunter2\"/>",
            "<property name=\"password\" value=\"…\"/>",
        ),
        (
            "<property name=\"db.password\">hunter2</property>",
            "<property name=\"db.password\">…</property>",
        ),
        (
            "<name>fs.s3a.secret.key</name><value>hunter2</value>",
            "<name>fs.s3a.secret.key</name><value>…</value>",
        ),
        (
            "<key>password</key>\n<string>hunter2</string>",
            "<key>password</key>\n<string>…</string>",
        ),
        (
            "user[login]=b&user[password]=hunter2&x=1",
            "user[login]=b&user[password]=…&x=1",
        ),
        (
            "cfg[\"password\"] = \"hunter2\"",
            "cfg[\"password\"] = \"…\"",
        ),
        (
            "x {\"name\":\"password\",\"value\":\"hunter2\"} y",
            "x {\"name\":\"password\",\"value\":\"…\"} y",
        ),
        ("postgres://bob:#hunter2@h/x", "postgres://bob:…@h/x"),
        ("NRAK-ABCDEFGHIJKLMNOPQRSTUVWXYZ0", "…"),
        ("glsa_0123456789abcdefghijABCDEFGHIJ01_0123abcd", "…"),
        ("dapi0123456789abcdef0123456789abcdef", "…"),
        // URLs with a user.
        (
            "postgres://bob:hunter2@db:5432/x",
            "postgres://bob:…@db:5432/x",
        ),
        ("postgres://bob:hun/ter2@db/x", "postgres://bob:…@db/x"),
        (
            "postgres://bob:hun@ter2@db/x y@z",
            "postgres://bob:…@db/x y@z",
        ),
        ("https://0123456789abcdef@host/", "https://…@host/"),
        (
            "https://0123456789abcdef:x-oauth-basic@host/",
            "https://…@host/",
        ),
        // Tokens by their marks.
        ("Bearer 0123456789abcdef", "Bearer …"),
        ("bearer abcDEFgh!", "bearer …!"),
        ("Basic dXNlcjpwYXNz.", "Basic dXNlcjpwYXNz."),
        ("Basic dXNlcjpwYXNz", "Basic …"),
        ("a ghp_0123456789abcdefghijABCDEFGHIJ012345 b", "a … b"),
        ("(xoxb-1234567890-abcdefghijkl)", "(…)"),
        ("sk-proj-abcdefghij0123456789", "…"),
        ("glpat-abcdefghij0123456789", "…"),
        ("key AIzaSyA0123456789abcdefghijklmnopqrstu", "key …"),
        (
            "t=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl&x",
            "t=…&x",
        ),
        ("is FwoGZXIvYXdzEBYaDEXAMPLE0123456789 it", "is … it"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nx",
            "…\nx",
        ),
        ("a -----BEGIN PRIVATE KEY-----\\nMIIE", "a …"),
        // AWS's secret keys.
        ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "…"),
        (
            "AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "AKIAIOSFODNN7EXAMPLE …",
        ),
    ] {
        assert_eq!(masked(text), expected);
    }
}

#[test]
fn what_only_looks_like_a_secret_is_shown() {
    for text in [
        "",
        "arn:aws:secretsmanager:us-east-1:111122223333:secret:prod/db-AbCdEf",
        "User: arn:aws:sts::111122223333:assumed-role/R/alice is not authorized to perform: secretsmanager:GetSecretValue on resource: arn:aws:secretsmanager:us-east-1:111122223333:secret:x-AbCdEf because no identity-based policy allows the action",
        "{{resolve:secretsmanager:MyRDSSecret:SecretString:password}}",
        "AWS::SecretsManager::Secret",
        "https://b.s3.amazonaws.com/?list-type=2&continuation-token=abc&max-keys=5",
        "nextToken=AAEAAWTrG1XzfC&maxTokens=512",
        "token.actions.githubusercontent.com:sub",
        "password=",
        "password=***&x=1",
        "token: [REDACTED]",
        "\"password\":null",
        "aws-cli/2.15.0 md/awscrt#0.19.19 ua/2.0 os/linux#5.10 md/arch#x86_64 lang/python#3.11.6",
        "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0",
        "https://host:8443/path@x",
        "git@github.com:org/repo.git",
        "https://user:@host/",
        "a - b -x --flag --other 1",
        "Basic authentication",
        "Bearer token",
        "risk-assessment-2024-for-department",
        "sk-learn-model-of-something-long",
        "task_ghp_none",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "AWSLogs/123456789012/CloudTrail/us-east1",
        "MyApplication/SubModule/ClassName/Method1",
        "-----BEGIN CERTIFICATE-----\nMIIE3zCCAsegAwIBAgIJAOZLUn\n-----END CERTIFICATE-----",
        "eyJ2IjoiMSJ9",
        "2024-04-10T14:07:55Z",
        "<Password/>",
        "<Password></Password>",
        "<property name=\"user\" value=\"bob\"/>",
        "<key>name</key><string>bob</string>",
        "<a href=\"x\" value=\"y\">text</a>",
        "{\"name\":\"user\",\"value\":\"bob\"",
        "arn:aws:x:y:z:token/token:x",
        "cfg[\"user\"] = \"bob\"",
        "if (user === \"bob\")",
        "curl --user=bob https://h",
        "x: bearer of news",
        "dapifunction npm",
    ] {
        assert_eq!(masked(text), text);
    }
}

/// What makes a search that starts anew at each place take the square of the text.
const REPEATED: &[&str] = &[
    "=",
    ":",
    ">",
    "@",
    "-",
    "--",
    "-----",
    "\"",
    "'",
    "\\",
    "{",
    "[",
    " ",
    ".",
    "/",
    "<",
    "%41",
    "+",
    "://",
    "token=",
    "token:",
    "token: ",
    "token=\"",
    "token='",
    "token=\\\"",
    "\"token\":\"",
    "<token>",
    "<a:token>",
    "token>",
    "--token ",
    "--token=",
    "--token",
    "--user ",
    "--user a",
    "code=",
    "code:",
    "code=1a",
    "token=arn:a:a:a:a:",
    "token=true",
    "token=***",
    "Authorization: ",
    "Cookie:",
    "password",
    "a.b-c_d",
    "http://",
    "://@",
    "://a:@",
    "://a:b@",
    "eyJ",
    "eyJ.",
    "eyJ-",
    "eyJ/",
    "eyJhbGciOiJI.",
    "-----BEGIN ",
    "-----BEGIN PRIVATE KEY-----",
    "-----END ",
    "-----BEGIN PRIVATE KEY-----x-----END -----",
    "PuTTY-User-Key-File-",
    "Bearer ",
    "Bearer a",
    "Basic ",
    "Basic dXNlcjpw",
    " -u ",
    " -u a",
    " -u a:b",
    "ghp_",
    "xoxb-",
    "sk-",
    "IQoJb3JpZ2lu",
    "AKIA",
    "aB1",
    "token=\"\"\"",
    "<a name=\"token\" ",
    "<a token=\"x\">",
    "<token a=\"\">",
    "<![CDATA[",
    "<token><![CDATA[",
    "<key>token</key>",
    "<key>token</key><value>",
    "]",
    "a[token]=",
    "token=a&",
    "token=a;",
    "token=\\n",
    "token=a\\n",
    "a\\n",
    "token: |\n ",
    "token: !a ",
    "token: a = ",
    "token=(",
    "token=[a",
    "token:= ",
    "\t",
    "`",
    "token=`",
    "\"name\":a",
    "\"name\":\"token\",",
    "\"name\":\"token\",\"value\":",
    "--user=",
    "--token \\\n",
    "/token:",
    "Authorization: '",
    "'Authorization: ",
    "Bearer  \"",
    "eyAi",
    "&quot;",
    "|",
    ";",
    "aB1/",
];

#[test]
fn the_work_is_in_proportion_to_the_text() {
    const BYTES: usize = 8_000;
    let work = |pattern: &str, bytes: usize| {
        let text = pattern.repeat(bytes / pattern.len());
        LOOKED_AT.with(|looked| looked.set(0));
        find(&text, Signs::of(&text), 0, |_| {});
        LOOKED_AT.with(Cell::get)
    };
    for first in REPEATED {
        for second in ["", "a", " ", "=", "token=", "\"", ">", "\\"] {
            let pattern = format!("{first}{second}");
            let (once, twice) = (work(&pattern, BYTES), work(&pattern, 2 * BYTES));
            // A name is looked at for each separator, and has a bound.
            assert!(
                once <= 64 * BYTES,
                "{pattern:?}: {once} bytes were looked at"
            );
            assert!(
                twice <= 2 * once + 1_000,
                "{pattern:?}: {once}, then {twice}"
            );
        }
    }
}
