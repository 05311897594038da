//! One watch of a kind, for everybody: a store to look things up in, and the news of what was touched.
//!
//! kube's `Controller` opens a watch and a store for itself and one more watch for each relation. Here several
//! controllers look at the same kinds, thousands of objects of them, so each kind is watched once.

use std::{collections::HashMap, fmt::Debug, hash::Hash, sync::Arc};

use futures::{Stream, StreamExt, stream};
use kube::{
    Api, Resource, ResourceExt,
    runtime::{
        WatchStreamExt,
        reflector::{ObjectRef, Store, store::Writer},
        watcher,
    },
};
use serde::de::DeserializeOwned;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

/// News that a slow controller has not taken yet; one that falls further behind is told of everything anew.
const NEWS: usize = 4096;

/// One watch of a kind.
#[derive(Debug)]
pub struct Watched<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    store: Store<K>,
    news: broadcast::Sender<Arc<K>>,
    wanted: CancellationToken,
}

impl<K> Clone for Watched<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            news: self.news.clone(),
            wanted: self.wanted.clone(),
        }
    }
}

impl<K> Watched<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    /// Starts watching; ends with `shutdown`.
    pub fn start(api: Api<K>, config: watcher::Config, shutdown: &CancellationToken) -> Self {
        let watched = Self::when_wanted(api, config, |_| {}, shutdown);
        watched.want();
        watched
    }

    /// [`start`](Self::start), but not before [`want`](Self::want). `trim` takes out of each object what nobody asks
    /// for.
    pub fn when_wanted(api: Api<K>, config: watcher::Config, trim: fn(&mut K), shutdown: &CancellationToken) -> Self {
        let writer = Writer::<K>::default();
        let (news, _) = broadcast::channel(NEWS);
        let watched = Self {
            store: writer.as_reader(),
            news: news.clone(),
            wanted: CancellationToken::new(),
        };
        let (wanted, shutdown) = (watched.wanted.clone(), shutdown.clone());
        let task = async move {
            wanted.cancelled_owned().await;
            follow(api, config, trim, writer, news).await;
        };
        tokio::spawn(async move { shutdown.run_until_cancelled(task).await });
        watched
    }

    /// Has it watched from now on, if it is not yet.
    pub fn want(&self) {
        self.wanted.cancel();
    }

    /// A kind that is not watched: nothing of it is there, nor ever will be.
    pub fn nothing() -> Self {
        let mut writer = Writer::<K>::default();
        writer.apply_watcher_event(&watcher::Event::Init);
        writer.apply_watcher_event(&watcher::Event::InitDone);
        Self {
            store: writer.as_reader(),
            news: broadcast::channel(1).0,
            wanted: CancellationToken::new(),
        }
    }

    /// The store itself.
    pub fn store(&self) -> &Store<K> {
        &self.store
    }

    /// Waits until everything that was there at the start is known.
    pub async fn ready(&self) {
        // It fails only when the watch has ended, and with it the process.
        let _ = self.store.wait_until_ready().await;
    }

    /// The object of this name, as last heard; `namespace` is `None` for a cluster-scoped one.
    pub fn get(&self, namespace: Option<&str>, name: &str) -> Option<Arc<K>> {
        let mut key = ObjectRef::new(name);
        key.namespace = namespace.map(Into::into);
        self.store.get(&key)
    }

    /// All objects that `keep` likes, as last heard.
    pub fn filter(&self, keep: impl Fn(&K) -> bool) -> Vec<Arc<K>> {
        self.store.state_filter(keep)
    }

    /// Everything that is there, then everything that is touched. A deleted object comes as it was last.
    pub fn touched(&self) -> impl Stream<Item = Arc<K>> + Send + use<K> {
        let news = self.news.subscribe();
        let backlog = self.store.state();
        stream::unfold(
            (news, backlog, self.store.clone()),
            |(mut news, mut backlog, store)| async move {
                loop {
                    if let Some(object) = backlog.pop() {
                        return Some((object, (news, backlog, store)));
                    }
                    match news.recv().await {
                        Ok(object) => return Some((object, (news, backlog, store))),
                        Err(broadcast::error::RecvError::Lagged(_)) => backlog = store.state(),
                        Err(broadcast::error::RecvError::Closed) => return None,
                    }
                }
            },
        )
    }
}

async fn follow<K>(
    api: Api<K>,
    config: watcher::Config,
    trim: fn(&mut K),
    mut writer: Writer<K>,
    news: broadcast::Sender<Arc<K>>,
) where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let store = writer.as_reader();
    // Nobody asks a store who owns which field, and it is half of the memory.
    let mut events = watcher(api, config)
        .default_backoff()
        .modify(move |object| {
            object.managed_fields_mut().clear();
            trim(object);
        })
        .boxed();
    while let Some(event) = events.next().await {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, kind = %K::kind(&()), "watch");
                continue;
            }
        };
        let before = matches!(event, watcher::Event::InitDone).then(|| store.state());
        writer.apply_watcher_event(&event);
        match (event, before) {
            (watcher::Event::Apply(object), _) => announce(&news, store.get(&ObjectRef::from_obj(&object))),
            (watcher::Event::Delete(object), _) => announce(&news, [Arc::new(object)]),
            (watcher::Event::InitDone, Some(before)) => announce(&news, whole(before, store.state())),
            _ => {}
        }
    }
}

/// After a new list: everything there is, and what vanished unseen.
fn whole<K: Resource>(before: Vec<Arc<K>>, now: Vec<Arc<K>>) -> Vec<Arc<K>>
where
    K::DynamicType: Default + Eq + Hash + Clone,
{
    let mut all: HashMap<_, _> = before
        .into_iter()
        .map(|object| (ObjectRef::from_obj(object.as_ref()), object))
        .collect();
    all.extend(
        now.into_iter()
            .map(|object| (ObjectRef::from_obj(object.as_ref()), object)),
    );
    all.into_values().collect()
}

fn announce<K>(news: &broadcast::Sender<Arc<K>>, objects: impl IntoIterator<Item = Arc<K>>) {
    for object in objects {
        // Nobody listens yet: whoever comes finds it in the store.
        let _ = news.send(object);
    }
}
