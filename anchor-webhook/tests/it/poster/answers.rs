//! What is sent, and what is made of what comes back: decent, late, endless, elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anchor_webhook::{PostError, Poster, PosterOptions, Secret};
use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{SECRET, local, post, post_with};
use crate::support::{listen, receiver, status};

#[tokio::test]
async fn what_is_sent_is_signed() {
    let (address, inbox) = receiver(|_| status(204)).await;
    post(local(), &format!("http://{address}/hook?room=lobby")).await.expect("taken");

    let got = inbox.lock().unwrap().pop().expect("a request");
    assert_eq!(got.path, "/hook?room=lobby");
    assert_eq!(got.body, r#"{"a":1}"#);
    assert_eq!(got.header("content-type"), "application/json");
    assert!(got.header("user-agent").starts_with("anchor-webhook/"));
    assert_eq!(got.header("webhook-id"), "lobby/0011223344556677/5-5");
    assert_eq!(got.header("webhook-timestamp"), "1766400000");
    let secret: Secret = SECRET.parse().expect("a secret");
    let signature = secret.sign("lobby/0011223344556677/5-5", 1_766_400_000, &got.body);
    assert_eq!(got.header("webhook-signature"), signature);
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    let address = listen(move |mut stream| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            let mut buffer = [0; 4096];
            while let Ok(1..) = stream.read(&mut buffer).await {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.expect("a reader");
            }
        }
    })
    .await;
    let poster = Poster::new(local());
    for _ in 0..3 {
        post_with(&poster, &format!("http://{address}/")).await.expect("taken");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_is_no_2xx_is_a_failure_with_a_name() {
    for (code, message) in [(404, "status 404"), (500, "status 500")] {
        let (address, _) = receiver(move |_| status(code)).await;
        let error = post(local(), &format!("http://{address}/")).await.expect_err("refused");
        assert_eq!(error.to_string(), message);
    }
    let (address, _) = receiver(|_| status(410)).await;
    let error = post(local(), &format!("http://{address}/")).await.expect_err("refused");
    assert!(matches!(error, PostError::Gone));
}

#[tokio::test]
async fn a_receiver_may_say_when_to_come_back() {
    let (address, _) = receiver(|_| {
        let busy = Response::builder().status(503).header("retry-after", "120");
        busy.body(Full::new(Bytes::new())).expect("a response")
    })
    .await;
    let error = post(local(), &format!("http://{address}/")).await.expect_err("refused");
    let PostError::Status { status: 503, retry_after: Some(wait) } = error else { panic!("{error:?}") };
    assert_eq!(wait, Duration::from_secs(120));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (elsewhere, inbox) = receiver(|_| status(200)).await;
    for code in [301, 302, 303, 307, 308] {
        let (address, _) = receiver(move |_| {
            let away = Response::builder().status(code).header("location", format!("http://{elsewhere}/"));
            away.body(Full::new(Bytes::new())).expect("a response")
        })
        .await;
        let error = post(local(), &format!("http://{address}/")).await.expect_err("refused");
        assert_eq!(error.to_string(), format!("status {code}: redirects are not followed"));
    }
    assert!(inbox.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_answer_that_drips_is_given_up() {
    let address = listen(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        for byte in b"HTTP/1.1 200 OK\r\nx-slow: ".iter().chain([b'x'; 1000].iter()) {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let begun = Instant::now();
    let options = PosterOptions { within: Duration::from_millis(400), ..local() };
    let error = post(options, &format!("http://{address}/")).await.expect_err("given up");
    assert!(matches!(error, PostError::TimedOut(_)), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_body_without_end_is_cut_off_and_the_answer_stands() {
    let written = Arc::new(AtomicUsize::new(0));
    let counted = written.clone();
    let address = listen(move |mut stream| {
        let written = counted.clone();
        async move {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n").await;
            while stream.write_all(&[b'x'; 16 * 1024]).await.is_ok() {
                written.fetch_add(16 * 1024, Ordering::SeqCst);
            }
        }
    })
    .await;
    let begun = Instant::now();
    post(local(), &format!("http://{address}/")).await.expect("taken");
    assert!(begun.elapsed() < Duration::from_secs(3));
    // What the operating system holds of a connection comes on top of what was read.
    let read = written.load(Ordering::SeqCst);
    assert!(read < 16 * 1024 * 1024, "{read} bytes");
}

#[tokio::test]
async fn a_body_that_drips_takes_no_longer_than_the_rest() {
    let address = listen(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let begun = Instant::now();
    let options = PosterOptions { within: Duration::from_millis(400), ..local() };
    post(options, &format!("http://{address}/")).await.expect("taken");
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn headers_without_end_and_noise_are_failures() {
    let address = listen(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(b"x-more: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n").await.is_ok() {}
    })
    .await;
    let error = post(local(), &format!("http://{address}/")).await.expect_err("no answer");
    assert!(matches!(error, PostError::Broken), "{error:?}");

    let address = listen(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"\x00\x01\x02 hello\r\n\r\n").await;
    })
    .await;
    let error = post(local(), &format!("http://{address}/")).await.expect_err("no answer");
    assert!(matches!(error, PostError::Broken), "{error:?}");
}
