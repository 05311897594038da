//! A proxy that stands between the adapter and the server and makes trouble.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use mooring_provider::conformance::{Faults, When};

use crate::http;

/// The proxy. Each connection carries one request.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) url: String,
    trouble: Arc<Trouble>,
}

#[derive(Debug, Default)]
struct Trouble {
    armed: Mutex<Option<(usize, When, usize)>>,
    hit: AtomicBool,
    refuses: AtomicBool,
}

impl Proxy {
    /// A proxy before this server.
    pub(crate) fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let trouble = Arc::<Trouble>::default();
        let shared = trouble.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let trouble = shared.clone();
                thread::spawn(move || trouble.pass(client, server));
            }
        });
        Self { url, trouble }
    }

    /// Refuses every request from now on, or no more.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.trouble.refuses.store(refuses, Ordering::SeqCst);
    }

    /// The faults of this proxy, request by request.
    pub(crate) fn faults(&self) -> Arc<dyn Faults> {
        self.trouble.clone()
    }
}

impl Trouble {
    /// What happens to this request; by turns the connection is cut and the server is said not to be there.
    fn next(&self) -> Option<(When, bool)> {
        let mut armed = self.armed.lock().expect("no panic before");
        match armed.take() {
            Some((0, when, position)) => {
                self.hit.store(true, Ordering::SeqCst);
                Some((when, position % 2 == 1))
            }
            Some((ahead, when, position)) => {
                *armed = Some((ahead - 1, when, position));
                None
            }
            None => None,
        }
    }

    fn pass(&self, mut client: TcpStream, server: SocketAddr) {
        let Some(request) = http::read(&mut client) else { return };
        let fail = |client: &mut TcpStream, status: &str| {
            let _ = write!(
                client,
                "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
        };
        if self.refuses.load(Ordering::SeqCst) {
            return fail(&mut client, "401 Unauthorized");
        }
        let fault = self.next();
        if let Some((When::Before, answers)) = fault {
            if answers {
                fail(&mut client, "503 Service Unavailable");
            }
            return;
        }
        let Ok(mut upstream) = TcpStream::connect(server) else {
            return fail(&mut client, "502 Bad Gateway");
        };
        // Caddy answers under its own name only.
        let named = |line: &&str| {
            let line = line.to_ascii_lowercase();
            !line.starts_with("connection:") && !line.starts_with("host:")
        };
        let head: Vec<_> = request.head.lines().filter(named).collect();
        let head = format!("{}\r\nhost: {server}\r\nconnection: close\r\n\r\n", head.join("\r\n"));
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&request.body);
        let mut answer = Vec::new();
        if upstream
            .write_all(&bytes)
            .and_then(|()| upstream.read_to_end(&mut answer))
            .is_err()
        {
            return fail(&mut client, "502 Bad Gateway");
        }
        match fault {
            // The answer is lost: whole, or cut off in its middle.
            Some((When::After, halved)) => {
                let half = if halved { answer.len() / 2 } else { 0 };
                let _ = client.write_all(&answer[..half]);
            }
            _ => drop(client.write_all(&answer)),
        }
    }
}

impl Faults for Trouble {
    fn arm(&self, position: usize, when: When) {
        *self.armed.lock().expect("no panic before") = Some((position, when, position));
        self.hit.store(false, Ordering::SeqCst);
    }

    fn disarm(&self) -> bool {
        *self.armed.lock().expect("no panic before") = None;
        self.hit.load(Ordering::SeqCst)
    }
}
