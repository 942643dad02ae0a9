//! Where webhooks may go: what counts is the address that is connected to, however it was written.

use anchor_webhook::{Allowed, PostError, PosterOptions, Target};

use super::{local, post};
use crate::support::{receiver, status};

fn everywhere_public() -> PosterOptions {
    PosterOptions { allowed: Allowed::default(), ..local() }
}

#[tokio::test]
async fn this_machine_is_not_reached_under_any_name() {
    let (address, inbox) = receiver(|_| status(200)).await;
    let port = address.port();
    // `0x7f.1`, `2130706433` and `127.1` are 127.0.0.1 to the resolver of many systems; to others they are nothing.
    for host in [
        "127.0.0.1",
        "localhost",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "127.1",
        "0x7f.1",
        "2130706433",
        "0177.0.0.1",
    ] {
        let error = post(everywhere_public(), &format!("http://{host}:{port}/")).await.expect_err("refused");
        assert!(matches!(error, PostError::Forbidden(_) | PostError::Unreachable(_)), "{host}: {error:?}");
    }
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        let error = post(everywhere_public(), &format!("http://{host}:{port}/")).await.expect_err("refused");
        assert!(matches!(error, PostError::Forbidden(_)), "{host}: {error:?}");
    }
    assert!(inbox.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_name_is_judged_by_the_address_that_it_has() {
    let (address, inbox) = receiver(|_| status(200)).await;
    let url = format!("http://localhost:{}/", address.port());
    // Another name that is allowed opens nothing for this one.
    let other = Allowed::new(["hooks.internal".parse().expect("a name")]);
    let error = post(PosterOptions { allowed: other, ..local() }, &url).await.expect_err("refused");
    assert!(matches!(error, PostError::Forbidden(_)), "{error:?}");

    post(local(), &url).await.expect("its address is allowed");
    let by_name = Allowed::new(["localhost".parse().expect("a name")]);
    post(PosterOptions { allowed: by_name, ..local() }, &url).await.expect("its name is allowed");
    assert_eq!(inbox.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn http_is_sent_only_where_it_is_allowed() {
    let (address, inbox) = receiver(|_| status(200)).await;
    let options = PosterOptions { http: false, ..local() };
    let error = post(options, &format!("http://{address}/")).await.expect_err("refused");
    assert!(matches!(error, PostError::NotEncrypted), "{error:?}");
    assert!(inbox.lock().unwrap().is_empty());
}

#[tokio::test]
async fn nobody_there_is_a_failure() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = closed.local_addr().expect("an address");
    drop(closed);
    let error = post(local(), &format!("http://{address}/")).await.expect_err("nobody");
    assert!(matches!(error, PostError::Unreachable(_)), "{error:?}");
}

#[test]
fn a_target_is_a_url_without_frills() {
    for url in ["https://hooks.example.org", "https://hooks.example.org:8443/a?b=c", "http://[2001:db8::1]/"]
    {
        url.parse::<Target>().expect(url);
    }
    let refused = [
        "",
        "hooks.example.org",
        "/path",
        "ftp://example.org/",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        "https://ada:secret@example.org/",
        "https://example.org@evil.example/",
        "https://example.org/#x",
        "https://a b/",
    ];
    for url in refused {
        assert!(url.parse::<Target>().is_err(), "{url}");
    }
}
