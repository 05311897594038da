//! A gate before an API server, which can be shut at one request: so that a process is ended between two steps that have
//! names, and not at some moment or other.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{Method, header},
    response::Response,
};
use kube::Client;
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::Semaphore};

/// Where a request is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// The API server never hears of it.
    TheQuestion,
    /// The API server did what was asked, and nobody hears of that.
    TheAnswer,
}

type Meant = Box<dyn Fn(&Method, &str) -> bool + Send + Sync>;

struct Inner {
    client: Client,
    shut: Mutex<Option<(At, Meant)>>,
    kept: Semaphore,
}

/// A gate before an API server; ends with the runtime of its test.
pub(crate) struct Gate {
    inner: Arc<Inner>,
    directory: TempDir,
}

impl Gate {
    /// One that lets everything through, with the rights of the client.
    pub(crate) async fn before(client: Client) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let kubeconfig = format!(
            "{{apiVersion: v1, kind: Config, current-context: gate,\n\
             clusters: [{{name: gate, cluster: {{server: 'http://{address}'}}}}],\n\
             users: [{{name: gate, user: {{}}}}],\n\
             contexts: [{{name: gate, context: {{cluster: gate, user: gate}}}}]}}\n"
        );
        fs::write(directory.path().join("kubeconfig"), kubeconfig).expect("it can be written");
        let inner = Arc::new(Inner {
            client,
            shut: Mutex::default(),
            kept: Semaphore::new(0),
        });
        let router = Router::new().fallback(pass).with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { inner, directory }
    }

    /// Who uses this one goes through the gate.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.directory.path().join("kubeconfig")
    }

    /// Keeps the next request that is meant, by its method and its path with the query, and those like it after it.
    pub(crate) fn shut(&self, at: At, meant: impl Fn(&Method, &str) -> bool + Send + Sync + 'static) {
        *self.inner.shut.lock().unwrap_or_else(PoisonError::into_inner) = Some((at, Box::new(meant)));
    }

    /// Waits until one is kept.
    pub(crate) async fn kept(&self) {
        let kept = tokio::time::timeout(super::cluster::PATIENCE, self.inner.kept.acquire()).await;
        kept.expect("the request that is to be kept comes")
            .expect("it is not closed")
            .forget();
    }
}

impl Inner {
    fn is_kept(&self, at: At, method: &Method, path: &str) -> bool {
        let shut = self.shut.lock().unwrap_or_else(PoisonError::into_inner);
        shut.as_ref()
            .is_some_and(|(place, meant)| *place == at && meant(method, path))
    }

    /// Keeps whoever comes here, for good.
    async fn keep(&self) -> ! {
        self.kept.add_permits(1);
        std::future::pending().await
    }
}

async fn pass(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    if inner.is_kept(At::TheQuestion, &parts.method, &path) {
        inner.keep().await;
    }
    let body = to_bytes(body, usize::MAX).await.expect("a request is read");
    let mut asked = axum::http::Request::builder().method(&parts.method).uri(&path);
    for name in [header::ACCEPT, header::CONTENT_TYPE] {
        if let Some(value) = parts.headers.get(&name) {
            asked = asked.header(name, value);
        }
    }
    let asked = asked.body(kube::client::Body::from(body)).expect("a request");
    let answered = match inner.client.send(asked).await {
        Ok(answered) => answered,
        Err(error) => {
            let failed = Response::builder().status(502).body(Body::from(error.to_string()));
            return failed.expect("a response");
        }
    };
    if inner.is_kept(At::TheAnswer, &parts.method, &path) {
        inner.keep().await;
    }
    let (parts, body) = answered.into_parts();
    let mut answer = Response::builder().status(parts.status);
    if let Some(value) = parts.headers.get(header::CONTENT_TYPE) {
        answer = answer.header(header::CONTENT_TYPE, value);
    }
    answer.body(Body::new(body)).expect("a response")
}
