//! The cloud as seen by clients of its own process: the same requests and answers, without sockets.

use futures::future::BoxFuture;
use mooring_provider::{Error, ErrorKind, Result};
use mooring_provider_http::{self as http, Transport};

use crate::{
    Handle,
    request::{Request, pairs},
};

impl Transport for Handle {
    fn carry(&self, operation: &'static str, request: http::Request) -> BoxFuture<'_, Result<http::Answer>> {
        let lost = move |what: &str| {
            Err(Error::new(
                ErrorKind::Unavailable,
                operation,
                format!("the cloud: {what}"),
            ))
        };
        Box::pin(async move {
            let http::Request {
                method,
                url,
                headers,
                body,
            } = request;
            let own = || match (url.host_str().unwrap_or_default(), url.port()) {
                (name, Some(port)) => format!("{name}:{port}"),
                (name, None) => name.to_owned(),
            };
            let host = headers.get(http::header::HOST).and_then(|value| value.to_str().ok());
            let host = host.map_or_else(own, str::to_owned);
            let query = pairs(url.query().unwrap_or_default().as_bytes());
            let request = Request::new(method.as_str(), url.path().to_owned(), query, headers, host, body);
            let (reply, delay) = self.cloud.lock().answer(&request);
            tokio::time::sleep(delay).await;
            let Some(reply) = reply else {
                return lost("the connection broke");
            };
            if reply.cut.is_some() {
                return lost("the answer broke off");
            }
            let mut headers = http::header::HeaderMap::new();
            for (name, value) in reply.headers {
                let value = http::header::HeaderValue::from_str(&value);
                headers.insert(name, value.expect("the cloud makes no other headers"));
            }
            Ok(http::Answer {
                status: http::StatusCode::from_u16(reply.status).expect("the cloud has no other status"),
                headers,
                body: reply.body.into(),
            })
        })
    }
}
