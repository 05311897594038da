//! A way to a server on which one request or its answer is lost, or late.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use mooring_provider::conformance::{Faults, When};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What becomes of one request.
#[derive(Clone, Copy)]
enum Fault {
    /// It or its answer is lost.
    Lost(When),
    /// It is held back for so long.
    Late(Duration),
}

/// The faults of a way.
#[derive(Default)]
pub(crate) struct Cuts {
    armed: Mutex<Option<(usize, Fault)>>,
    hit: AtomicBool,
    /// How many requests are not answered yet.
    pub(crate) waiting: AtomicUsize,
}

impl Cuts {
    fn set(&self, position: usize, fault: Fault) {
        self.hit.store(false, Ordering::SeqCst);
        *self.armed.lock().expect("no thread panicked") = Some((position, fault));
    }

    /// The request at this position is held back for so long.
    pub(crate) fn delay(&self, position: usize, time: Duration) {
        self.set(position, Fault::Late(time));
    }

    fn next(&self) -> Option<Fault> {
        let mut armed = self.armed.lock().expect("no thread panicked");
        match armed.take() {
            Some((0, fault)) => {
                self.hit.store(true, Ordering::SeqCst);
                Some(fault)
            }
            Some((ahead, fault)) => {
                *armed = Some((ahead - 1, fault));
                None
            }
            None => None,
        }
    }
}

impl Faults for Cuts {
    fn arm(&self, position: usize, when: When) {
        self.set(position, Fault::Lost(when));
    }

    fn disarm(&self) -> bool {
        *self.armed.lock().expect("no thread panicked") = None;
        self.hit.load(Ordering::SeqCst)
    }
}

/// What is shorter carries no statement, but a ping or a good-bye, within a record of TLS.
const STATEMENT: usize = 36;

/// Listens on a port of its own and passes on to a server.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    pub(crate) cuts: Arc<Cuts>,
    listening: JoinHandle<()>,
}

impl Proxy {
    /// A way to a server whose connections are made by so many requests. Who loses one of them has no connection, as
    /// if the first statement was lost.
    pub(crate) async fn to(port: u16, greeting: usize) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let own = listener.local_addr().expect("an address").port();
        let cuts = Arc::new(Cuts::default());
        let faults = Arc::clone(&cuts);
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let faults = Arc::clone(&faults);
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await {
                        let mut asking = Asking(&faults, false);
                        let _ = pass(client, server, &faults, &mut asking, greeting).await;
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

/// Whether a connection has a request that is not answered.
struct Asking<'a>(&'a Cuts, bool);

impl Asking<'_> {
    fn set(&mut self, asking: bool) {
        match (self.1, asking) {
            (false, true) => drop(self.0.waiting.fetch_add(1, Ordering::SeqCst)),
            (true, false) => drop(self.0.waiting.fetch_sub(1, Ordering::SeqCst)),
            _ => {}
        }
        self.1 = asking;
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.set(false);
    }
}

/// What a client sends after it has heard the server is a request; one is lost, or what the server says next is.
async fn pass(
    mut client: TcpStream,
    mut server: TcpStream,
    cuts: &Cuts,
    asking: &mut Asking<'_>,
    greeting: usize,
) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut up, mut down) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let (mut deaf, mut requests) = (false, 0);
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let read = read?;
                if !asking.1 && read > 0 {
                    asking.set(true);
                    requests += 1;
                    let counts = requests > greeting && read >= STATEMENT;
                    match counts.then(|| cuts.next()).flatten() {
                        Some(Fault::Lost(When::Before)) => return Ok(()),
                        Some(Fault::Lost(When::After)) => deaf = true,
                        // It arrives, though nobody may wait for it any more.
                        Some(Fault::Late(time)) => tokio::time::sleep(time).await,
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
                asking.set(false);
                client.write_all(&down[..read]).await?;
            }
        }
    }
}
