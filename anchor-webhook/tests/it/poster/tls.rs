//! https: a receiver shows who it is, or gets nothing.

use std::net::SocketAddr;
use std::sync::Arc;

use anchor_webhook::{PostError, PosterOptions};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::{local, post};
use crate::support::listen;

#[tokio::test]
async fn a_receiver_that_somebody_vouches_for_is_sent_to() {
    let address = secured().await;
    let roots = vec![certificate(include_bytes!("../../fixtures/authority.pem"))];
    let options = PosterOptions { roots, http: false, ..local() };
    post(options.clone(), &format!("https://localhost:{}/", address.port())).await.expect("taken");
    post(options, &format!("https://{address}/")).await.expect("taken");
}

#[tokio::test]
async fn a_receiver_that_nobody_vouches_for_gets_nothing() {
    let address = secured().await;
    let stranger = vec![certificate(include_bytes!("../../fixtures/receiver.pem"))];
    for roots in [stranger, Vec::new()] {
        let error = post(PosterOptions { roots, ..local() }, &format!("https://{address}/")).await;
        let Err(PostError::Unreachable(why)) = error else { panic!("{error:?}") };
        assert!(why.contains("certificate"), "{why}");
    }
}

/// Listens with the certificate of the fixtures and takes everything.
async fn secured() -> SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../../fixtures/receiver.key")).expect("a key");
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate(include_bytes!("../../fixtures/receiver.pem"))], key)
        .expect("a certificate and its key");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    listen(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        }
    })
    .await
}

fn certificate(pem: &[u8]) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem).expect("a certificate")
}
