//! A way to a server on which one request or its answer is lost.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use mooring_provider::conformance::{Faults, When};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// The faults of a way.
#[derive(Default)]
pub(crate) struct Cuts {
    armed: Mutex<Option<(usize, When)>>,
    hit: AtomicBool,
    /// How many requests went by.
    pub(crate) count: AtomicUsize,
}

impl Cuts {
    fn next(&self) -> Option<When> {
        self.count.fetch_add(1, Ordering::SeqCst);
        let mut armed = self.armed.lock().expect("no thread panicked");
        match armed.take() {
            Some((0, when)) => {
                self.hit.store(true, Ordering::SeqCst);
                Some(when)
            }
            Some((ahead, when)) => {
                *armed = Some((ahead - 1, when));
                None
            }
            None => None,
        }
    }
}

impl Faults for Cuts {
    fn arm(&self, position: usize, when: When) {
        self.hit.store(false, Ordering::SeqCst);
        *self.armed.lock().expect("no thread panicked") = Some((position, when));
    }

    fn disarm(&self) -> bool {
        *self.armed.lock().expect("no thread panicked") = None;
        self.hit.load(Ordering::SeqCst)
    }
}

/// Listens on a port of its own and passes on to a server.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    pub(crate) cuts: Arc<Cuts>,
    listening: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let own = listener.local_addr().expect("an address").port();
        let cuts = Arc::new(Cuts::default());
        let faults = Arc::clone(&cuts);
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let faults = Arc::clone(&faults);
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await {
                        let _ = pass(client, server, &faults).await;
                    }
                });
            }
        });
        Self {
            port: own,
            cuts,
            listening,
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// What a client sends after it has heard the server is a request; it is lost, or what the server says next is.
async fn pass(mut client: TcpStream, mut server: TcpStream, cuts: &Cuts) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut up, mut down) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let (mut asking, mut deaf) = (false, false);
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let read = read?;
                if !asking && read > 0 {
                    asking = true;
                    match cuts.next() {
                        Some(When::Before) => return Ok(()),
                        Some(When::After) => deaf = true,
                        None => {}
                    }
                }
                if read == 0 {
                    return Ok(());
                }
                server.write_all(&up[..read]).await?;
            }
            read = server.read(&mut down) => {
                let read = read?;
                if read == 0 || deaf {
                    return Ok(());
                }
                asking = false;
                client.write_all(&down[..read]).await?;
            }
        }
    }
}
