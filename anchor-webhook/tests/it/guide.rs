//! What the guide tells receivers to do, done: its samples verify what is sent, and nothing else.

use std::process::{Command, Stdio};

use anchor_webhook::Secret;

use crate::poster::SECRET;

const ID: &str = "lobby/0011223344556677/5-5";
const TIMESTAMP: u64 = 1_766_400_000;
const BODY: &str = r#"{"type":"events","words":"Zoë"}"#;

#[test]
fn the_python_sample_verifies_what_is_sent() {
    let sample = sample("python");
    check("python3", |call| {
        let (secret, id, timestamp, signature, body, now) = call;
        let headers = format!(
            "{{'webhook-id': '{id}', 'webhook-timestamp': '{timestamp}', 'webhook-signature': '{signature}'}}"
        );
        let call = format!("verify('{secret}', {headers}, '{body}'.encode(), {now})");
        vec!["-c".to_owned(), format!("{sample}\nprint('yes' if {call} else 'no')")]
    });
}

#[test]
fn the_node_sample_verifies_what_is_sent() {
    let sample = sample("js");
    check("node", |call| {
        let (secret, id, timestamp, signature, body, now) = call;
        let headers = format!(
            "{{'webhook-id': '{id}', 'webhook-timestamp': '{timestamp}', 'webhook-signature': '{signature}'}}"
        );
        let call = format!("verify('{secret}', {headers}, Buffer.from('{body}'), {now})");
        let program = format!("{sample}\nconsole.log({call} ? 'yes' : 'no');");
        vec!["--input-type=module".to_owned(), "--eval".to_owned(), program]
    });
}

/// Secret, id, timestamp, signature, body, and the time at which it is verified.
type Call<'a> = (&'a str, &'a str, u64, &'a str, &'a str, u64);

/// Has a program verify what is right, and what is wrong in each of its parts.
fn check(program: &str, arguments: impl Fn(Call<'_>) -> Vec<String>) {
    let there = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("CI").is_none(), "{program} is not there, and CI installs it");
        eprintln!("skipped: {program} is not there");
        return;
    }
    let secret: Secret = SECRET.parse().expect("a secret");
    let signature = &*secret.sign(ID, TIMESTAMP, BODY.as_bytes());
    let other = format!("v1,AAAA {signature}");
    let calls: [(Call<'_>, &str); 7] = [
        ((SECRET, ID, TIMESTAMP, signature, BODY, TIMESTAMP + 10), "yes"),
        ((SECRET, ID, TIMESTAMP, &other, BODY, TIMESTAMP), "yes"),
        ((SECRET, "other", TIMESTAMP, signature, BODY, TIMESTAMP), "no"),
        ((SECRET, ID, TIMESTAMP + 1, signature, BODY, TIMESTAMP), "no"),
        ((SECRET, ID, TIMESTAMP, signature, "{}", TIMESTAMP), "no"),
        ((SECRET, ID, TIMESTAMP, signature, BODY, TIMESTAMP + 1_000), "no"),
        (("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", ID, TIMESTAMP, signature, BODY, TIMESTAMP), "no"),
    ];
    for (call, expected) in calls {
        let output = Command::new(program).args(arguments(call)).output().expect("it runs");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).trim(),
            expected,
            "{call:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// The sample of the guide in a language.
fn sample(language: &str) -> String {
    let guide = include_str!("../../../docs/guide/webhooks.md");
    let fence = format!("```{language}\n");
    let sample = guide.split(&fence).nth(1).and_then(|rest| rest.split("```").next());
    sample.expect("the guide has a sample").to_owned()
}
