//! Receivers on this machine, as decent and as rude as tests want them.

pub(crate) mod chat;

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// What a receiver got.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// All that a receiver got, in its order.
pub(crate) type Inbox = Arc<Mutex<Vec<Got>>>;

/// Listens on a free port of 127.0.0.1 and answers each request as `answer` says.
pub(crate) async fn receiver<A>(answer: A) -> (SocketAddr, Inbox)
where
    A: Fn(&Got) -> Response<Full<Bytes>> + Clone + Send + Sync + 'static,
{
    let inbox = Inbox::default();
    let kept = inbox.clone();
    let address = listen(move |stream| {
        let (answer, inbox) = (answer.clone(), kept.clone());
        async move {
            let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                let (answer, inbox) = (answer.clone(), inbox.clone());
                async move {
                    let (head, body) = request.into_parts();
                    let body =
                        body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
                    let got = Got { path: head.uri.to_string(), headers: head.headers, body };
                    inbox.lock().expect("nobody panicked").push(got.clone());
                    Ok::<_, Infallible>(answer(&got))
                }
            });
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        }
    })
    .await;
    (address, inbox)
}

/// Listens on a free port of 127.0.0.1 and hands over each connection.
pub(crate) async fn listen<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// An answer without a body.
pub(crate) fn status(status: u16) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::default()).expect("a response")
}
