//! What the client makes of odd servers.

use std::{sync::Arc, time::Duration};

use mooring_provider::{ErrorKind, Span};
use mooring_provider_http::{Client, HttpConfig, Method, Request, Url};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

fn client() -> Client {
    let config = HttpConfig {
        timeout: Span::new(Duration::from_secs(2)),
        ..HttpConfig::default()
    };
    Client::new(&config).expect("a client")
}

fn get(base: &str) -> Request {
    Request::new(Method::GET, Url::parse(base).expect("an address"))
}

async fn answering(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&server).await;
    server
}

/// A server that reads a request, writes these bytes, and hangs up.
async fn writing(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}/", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(bytes).await;
        }
    });
    address
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let elsewhere = answering(ResponseTemplate::new(200)).await;
    let server = answering(ResponseTemplate::new(302).insert_header("location", elsewhere.uri())).await;
    let answer = client().send("t.get", get(&server.uri())).await.expect("an answer");
    assert_eq!(answer.status, 302);
    assert!(elsewhere.received_requests().await.expect("recorded").is_empty());
}

#[tokio::test]
async fn what_is_no_json_is_unexpected_and_not_quoted() {
    for body in ["", "{\"password\": \"hunter2", "<Error/>"] {
        let server = answering(ResponseTemplate::new(200).set_body_string(body)).await;
        let answer = client().send("t.get", get(&server.uri())).await.expect("an answer");
        let error = answer.json::<serde_json::Value>("t.get").expect_err("it is none");
        assert_eq!(error.kind(), ErrorKind::Unexpected);
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let server = answering(ResponseTemplate::new(200).set_body_bytes(vec![b' '; 17 << 20])).await;
    let error = client().send("t.get", get(&server.uri())).await.expect_err("too large");
    assert_eq!(error.kind(), ErrorKind::Unexpected);
    assert!(error.message().contains("larger than 16 MiB"), "{error}");
}

#[tokio::test]
async fn a_slow_answer_is_given_up() {
    let server = answering(ResponseTemplate::new(200).set_delay(Duration::from_secs(60))).await;
    let error = client().send("t.get", get(&server.uri())).await.expect_err("too slow");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().contains("no answer in time"), "{error}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_none() {
    for bytes in [
        &b""[..],
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200",
    ] {
        let error = client()
            .send("t.get", get(&writing(bytes).await))
            .await
            .expect_err("there is no whole answer");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    }
}

#[tokio::test]
async fn neither_query_nor_secret_headers_are_shown() {
    let mut request = get("http://127.0.0.1:1/?AccountPassword=hunter2&Signature=hunter2");
    request
        .header("x-acs-security-token", "hunter2", true)
        .expect("a header");
    assert!(!format!("{request:?} {:?}", request.headers).contains("hunter2"));
    let mut error: &dyn std::error::Error = &client().send("t.get", request).await.expect_err("nobody listens");
    let mut shown = format!("{error:?}");
    loop {
        shown.push_str(&error.to_string());
        match error.source() {
            Some(source) => error = source,
            None => break,
        }
    }
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[tokio::test]
async fn certificates_are_verified_against_the_system_and_the_bundle() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).expect("a key");
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .expect("a configuration");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream
                .write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
                .await;
            let _ = stream.shutdown().await;
        }
    });
    let address = format!("https://localhost:{port}/");
    let error = client()
        .send("t.get", get(&address))
        .await
        .expect_err("nobody knows it");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let config = HttpConfig {
        ca_bundle: Some(certified.cert.pem()),
        ..HttpConfig::default()
    };
    let trusting = Client::new(&config).expect("a client");
    let answer = trusting.send("t.get", get(&address)).await.expect("it is known");
    assert_eq!(answer.status, 204);
    let error = trusting
        .send("t.get", get(&format!("https://127.0.0.1:{port}/")))
        .await
        .expect_err("it is a certificate for another name");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[test]
fn a_bad_configuration_is_told_by_its_field() {
    for (config, field) in [
        (
            HttpConfig {
                ca_bundle: Some("not PEM".into()),
                ..HttpConfig::default()
            },
            "caBundle",
        ),
        (
            HttpConfig {
                proxy: Some("::".into()),
                ..HttpConfig::default()
            },
            "proxy",
        ),
    ] {
        let error = Client::new(&config).expect_err("it cannot be used");
        assert_eq!(error.kind(), ErrorKind::InvalidSpec);
        assert!(error.message().starts_with(field), "{error}");
    }
}
