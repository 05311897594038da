//! A running cloud, and what a test may do behind the back of those who use it.

use std::{
    collections::BTreeMap,
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use serde_json::Value as Json;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    ACCOUNT, Call, Denial, Fault, Kind, Options, Planned, Resource,
    core::{Cloud, Core},
    listen,
    world::wall,
};

/// A simulated Alibaba Cloud.
#[derive(Debug)]
pub struct Simulator;

impl Simulator {
    /// Starts it within this process. It stops when the handle is dropped.
    ///
    /// # Errors
    /// When the port is taken or the state file cannot be read.
    pub async fn start(options: Options) -> io::Result<Handle> {
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let cloud = Cloud::new(options)?;
        let stop = CancellationToken::new();
        let task = tokio::spawn(listen::run(listener, cloud.clone(), stop.clone()));
        Ok(Handle {
            address,
            cloud,
            stop,
            task: Some(task),
        })
    }

    /// One that nobody reaches over the network: clients of this process do by the handle, which is a [`Transport`](mooring_provider_http::Transport).
    /// It lives by tokio's clock, so that under a paused one nothing takes any time. Who waits meanwhile for something
    /// else than that clock, such as a socket, finds that hours have passed.
    ///
    /// # Errors
    /// When the state file cannot be read.
    pub fn within(options: Options) -> io::Result<Handle> {
        let cloud = Cloud::new(options)?;
        cloud.lock().world.tokio = Some((tokio::time::Instant::now(), wall()));
        Ok(Handle {
            // That of a port where nothing listens: a client that goes over the network does not get far.
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 9)),
            cloud,
            stop: CancellationToken::new(),
            task: None,
        })
    }
}

/// Serves until the process ends; `ready` is told the address.
///
/// # Errors
/// When the port is taken or the state file cannot be read.
pub async fn serve(options: Options, ready: impl FnOnce(SocketAddr)) -> io::Result<()> {
    let listener = TcpListener::bind(options.listen).await?;
    let cloud = Cloud::new(options)?;
    ready(listener.local_addr()?);
    listen::run(listener, cloud, CancellationToken::new()).await;
    Ok(())
}

/// A running cloud. What it answers here is the truth, whatever the API shows.
pub struct Handle {
    address: SocketAddr,
    pub(crate) cloud: Cloud,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({})", self.address)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Handle {
    /// Where it listens, if it does.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as a URL without a path, to be the endpoint of every product.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops it and awaits its end.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            let _ = task.await;
        }
    }

    fn with<T>(&self, run: impl FnOnce(&mut Core) -> T) -> T {
        let mut core = self.cloud.lock();
        core.world.sweep();
        let result = run(&mut core);
        core.save();
        result
    }

    /// Configures it anew, at once; where it listens and keeps its state stays.
    pub fn configure(&self, change: impl FnOnce(&mut Options)) {
        self.with(|core| change(&mut core.options));
    }

    /// From now on what is made cannot be seen for so long.
    pub fn hide_new(&self, time: Duration) {
        self.configure(|options| options.invisible_for = time);
    }

    /// Lets time pass on the cloud's clock, at once.
    pub fn advance(&self, time: Duration) {
        self.with(|core| core.world.advance(time));
    }

    /// How long until nothing is under way or hidden any more.
    pub fn unrest(&self) -> Duration {
        self.with(|core| core.world.unrest())
    }

    /// The cloud's time, in milliseconds since 1970.
    pub fn now(&self) -> i64 {
        self.with(|core| core.world.now())
    }

    /// Something is to go wrong. Several queue up.
    pub fn fail(&self, planned: Planned) {
        self.with(|core| core.plan.queue.push_back(planned));
    }

    /// Asks at each call whether it goes wrong.
    pub fn fail_by(&self, rule: impl FnMut(&Call) -> Option<Fault> + Send + 'static) {
        self.with(|core| core.plan.rule = Some(Box::new(rule)));
    }

    /// Nothing goes wrong any more, except by chance.
    pub fn clear_faults(&self) {
        self.with(|core| {
            core.plan.queue.clear();
            core.plan.rule = None;
        });
    }

    /// Refuses every key, or takes them again.
    pub fn deny(&self, denial: Option<Denial>) {
        self.with(|core| core.deny(None, denial));
    }

    /// Refuses one key, or takes it again.
    pub fn deny_key(&self, key: &str, denial: Option<Denial>) {
        self.with(|core| core.deny(Some(key.to_owned()), denial));
    }

    /// The calls after this number, oldest first; 0 is all of them.
    pub fn calls(&self, since: u64) -> Vec<Call> {
        self.with(|core| core.calls.since(since))
    }

    /// How many calls of an Action there were.
    pub fn count(&self, product: &str, action: &str) -> u64 {
        let key = (product.to_owned(), action.to_owned());
        self.with(|core| core.calls.counts().get(&key).copied().unwrap_or_default())
    }

    /// How many calls there were, by product and Action.
    pub fn counts(&self) -> BTreeMap<(String, String), u64> {
        self.with(|core| core.calls.counts())
    }

    /// Forgets the calls; their numbers go on.
    pub fn forget_calls(&self) {
        self.with(|core| core.calls.clear());
    }

    /// Everything of a kind, visible or not, whoever's it is.
    pub fn list(&self, kind: Kind) -> Vec<Resource> {
        self.with(|core| core.world.of(kind).cloned().collect())
    }

    /// One of them.
    pub fn get(&self, kind: Kind, id: &str) -> Option<Resource> {
        self.with(|core| core.world.get(kind, id).cloned())
    }

    /// Everything there is about one of them and what is inside it, so that a change shows; `None` when it is gone.
    pub fn look(&self, kind: Kind, id: &str) -> Option<String> {
        self.with(|core| core.look(kind, id))
    }

    /// Changes one of them; `false` when it is not there.
    pub fn change(&self, kind: Kind, id: &str, change: impl FnOnce(&mut Resource)) -> bool {
        self.with(|core| core.world.edit(kind, id).map(change).is_some())
    }

    /// Destroys one of them with its data, at once; `false` when it is not there.
    pub fn destroy(&self, kind: Kind, id: &str) -> bool {
        self.with(|core| core.destroy(kind, id))
    }

    /// Puts something into the cloud that no Action makes, such as a node or a pod's network interface.
    pub fn insert(&self, resource: Resource) {
        self.with(|core| core.world.put(resource));
    }

    /// What somebody in the account does beside us: carries out an Action without signature, log or fault. Of SLS the
    /// project is the parameter `project`.
    ///
    /// # Errors
    /// With the error's code, when the cloud refuses it.
    pub fn act(&self, product: &str, action: &str, params: Json) -> Result<Json, String> {
        self.act_as(ACCOUNT, product, action, params)
    }

    /// The same, of any account.
    ///
    /// # Errors
    /// With the error's code, when the cloud refuses it.
    pub fn act_as(&self, account: &str, product: &str, action: &str, params: Json) -> Result<Json, String> {
        let answer = self.with(|core| core.act(account, product, action, params));
        answer.map_err(|refusal| format!("{}: {}", refusal.code, refusal.message))
    }

    /// Writes a row into a database instance or a line into a log store; `false` when it is not there.
    pub fn write(&self, kind: Kind, id: &str, row: impl Into<String>) -> bool {
        self.change(kind, id, |resource| resource.rows.push(row.into()))
    }

    /// The rows of a database instance, the lines of a log store.
    pub fn rows(&self, kind: Kind, id: &str) -> Vec<String> {
        self.get(kind, id).map(|resource| resource.rows).unwrap_or_default()
    }

    /// Whether one can log in to a database instance: it runs, its whitelist admits somebody, the password is right.
    pub fn login(&self, id: &str, user: &str, password: &str) -> bool {
        self.with(|core| core.login(id, user, password, None))
    }

    /// The same from an address.
    pub fn login_from(&self, id: &str, user: &str, password: &str, address: std::net::Ipv4Addr) -> bool {
        self.with(|core| core.login(id, user, password, Some(address)))
    }

    /// Ends all temporary credentials.
    pub fn expire_sessions(&self) {
        self.with(|core| core.world.sessions.values_mut().for_each(|session| session.expires = 0));
    }
}
