//! A proxy that cuts connections before a request is passed on, or after it had its effect.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use mooring_provider::conformance::{Faults, When};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// What is to go wrong: the requests of one method are counted, and one of them fails.
#[derive(Default)]
pub(crate) struct Cuts {
    armed: Mutex<Option<(usize, When)>>,
    hit: AtomicBool,
    /// While it is set, each request is answered with a 503.
    pub(crate) down: AtomicBool,
    /// How long each request is held back.
    pub(crate) delay: Mutex<Duration>,
    /// How many requests are not answered yet.
    pub(crate) waiting: AtomicUsize,
}

/// A request that is not answered yet.
struct Asking<'a>(&'a AtomicUsize);

impl<'a> Asking<'a> {
    fn of(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::SeqCst);
        Self(waiting)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Faults for Cuts {
    fn arm(&self, position: usize, when: When) {
        *self.armed.lock().expect("not poisoned") = Some((position, when));
        self.hit.store(false, Ordering::SeqCst);
    }

    fn disarm(&self) -> bool {
        *self.armed.lock().expect("not poisoned") = None;
        self.hit.load(Ordering::SeqCst)
    }
}

impl Cuts {
    fn next(&self, head: &str) -> Option<When> {
        if !head.starts_with("POST ") {
            // The client itself repeats what is idempotent.
            return None;
        }
        let mut armed = self.armed.lock().expect("not poisoned");
        let (ahead, when) = (*armed)?;
        *armed = ahead.checked_sub(1).map(|ahead| (ahead, when));
        let now = armed.is_none();
        self.hit.fetch_or(now, Ordering::SeqCst);
        now.then_some(when)
    }

    /// Puts a proxy in front of an address and says where it is.
    pub(crate) async fn before(self: &Arc<Self>, address: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let here = listener.local_addr().expect("an address");
        let rest = address.strip_prefix("http://").expect("plain HTTP");
        let (there, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (cuts, there) = (self.clone(), there.to_owned());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (cuts, there) = (cuts.clone(), there.clone());
                tokio::spawn(async move { cuts.pass(client, &there).await });
            }
        });
        format!("http://{here}{path}")
    }

    /// Passes one request on; a connection serves no second one. What goes wrong on the way ends it.
    async fn pass(&self, mut client: TcpStream, there: &str) -> Option<()> {
        let request = read_request(&mut client).await?;
        let _asking = Asking::of(&self.waiting);
        let head = String::from_utf8_lossy(&request).into_owned();
        let delay = *self.delay.lock().expect("not poisoned");
        tokio::time::sleep(delay).await;
        if self.down.load(Ordering::SeqCst) {
            let answer = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            client.write_all(answer).await.ok()?;
            return Some(());
        }
        let fault = self.next(&head);
        if fault == Some(When::Before) {
            return None;
        }
        let mut server = TcpStream::connect(there).await.ok()?;
        server.write_all(&request).await.ok()?;
        let mut answer = Vec::new();
        server.read_to_end(&mut answer).await.ok()?;
        if fault.is_none() {
            client.write_all(&answer).await.ok()?;
            client.shutdown().await.ok()?;
        }
        Some(())
    }
}

/// A whole request, which asks the server to end the connection after its answer.
async fn read_request(client: &mut TcpStream) -> Option<Vec<u8>> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if client.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&read[..end]).into_owned();
    let length: usize = head
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length:")?
                .trim()
                .parse()
                .ok()
        })
        .unwrap_or(0);
    while read.len() < end + 4 + length {
        if client.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    }
    let mut request = format!("{head}\r\nconnection: close\r\n\r\n").into_bytes();
    request.extend_from_slice(&read[end + 4..]);
    Some(request)
}
