//! The listener: HTTP/1.1, as a server and as a proxy for `http` addresses of any host.

use std::{convert::Infallible, io, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Limited, StreamBody, combinators::BoxBody};
use hyper::{
    Response,
    body::{Frame, Incoming},
    header,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    core::{Cloud, Parts},
    remote,
    request::{Request, pairs},
};

/// No request of the APIs that are served here is larger.
const LARGEST: usize = 16 << 20;

type Body = BoxBody<Bytes, io::Error>;

/// Serves until it is told to stop.
pub(crate) async fn run(listener: TcpListener, cloud: Cloud, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            // There are no descriptors left; a connection that ends gives one back.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let (cloud, stop) = (cloud.clone(), stop.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| answer(cloud.clone(), request));
            let http = hyper::server::conn::http1::Builder::new();
            tokio::select! {
                () = stop.cancelled() => {}
                served = http.serve_connection(TokioIo::new(stream), service) => {
                    if let Err(error) = served {
                        tracing::debug!(%error, "a connection ended");
                    }
                }
            }
        });
    }
}

/// An error closes the connection without an answer.
async fn answer(cloud: Cloud, request: hyper::Request<Incoming>) -> io::Result<Response<Body>> {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, LARGEST).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return Err(io::Error::other(error)),
    };
    let path = head.uri.path().to_owned();
    let query = pairs(head.uri.query().unwrap_or_default().as_bytes());
    if path.starts_with("/-/") {
        return respond(remote::answer(&cloud, head.method.as_str(), &path, &query, &body));
    }
    let host = head
        .headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let host = host
        .or_else(|| head.uri.authority().map(ToString::to_string))
        .unwrap_or_default();
    let request = Request::new(head.method.as_str(), path, query, head.headers, host, body);
    let (reply, delay) = cloud.lock().answer(&request);
    tokio::time::sleep(delay).await;
    reply.map_or_else(|| Err(io::Error::other("the connection breaks on purpose")), respond)
}

fn respond(parts: Parts) -> io::Result<Response<Body>> {
    let mut response = Response::builder().status(parts.status);
    for (name, value) in parts.headers {
        response = response.header(name, value);
    }
    let body = Bytes::from(parts.body);
    let body = match parts.cut {
        None => http_body_util::Full::new(body)
            .map_err(|never: Infallible| match never {})
            .boxed(),
        Some(at) => {
            let frames = [
                Ok(Frame::data(body.slice(..at))),
                Err(io::Error::other("the answer breaks off on purpose")),
            ];
            BodyExt::boxed(StreamBody::new(futures::stream::iter(frames)))
        }
    };
    response.body(body).map_err(io::Error::other)
}
