//! Everything there is, and the clock it lives by.

use std::{
    collections::{BTreeMap, HashSet},
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use crate::resource::{Kind, Resource};

/// A client token and what came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Token {
    pub(crate) params: Json,
    pub(crate) reply: Json,
    pub(crate) settled: i64,
}

/// Credentials that somebody was given for a while.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) secret: String,
    pub(crate) token: String,
    pub(crate) account: String,
    pub(crate) role: String,
    /// When it ends, in milliseconds since 1970 by the real clock, which its holder goes by.
    pub(crate) expires: i64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct World {
    seed: u64,
    serial: u64,
    advanced: i64,
    #[serde(with = "as_list")]
    resources: BTreeMap<(Kind, String), Resource>,
    pub(crate) tokens: BTreeMap<String, Token>,
    pub(crate) sessions: BTreeMap<String, Session>,
    #[serde(skip)]
    nonces: Nonces,
    /// When the clock stands still, what the real one said then.
    #[serde(skip)]
    pub(crate) frozen: Option<i64>,
    /// When it lives by tokio's clock, since when, and what the real one said then.
    #[serde(skip)]
    pub(crate) tokio: Option<(tokio::time::Instant, i64)>,
    /// Something has changed since the last save.
    #[serde(skip)]
    dirty: bool,
}

/// Milliseconds since 1970 by the real clock.
pub(crate) fn wall() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

pub(crate) fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// A time as the API writes it.
pub(crate) fn iso(at: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(at).unwrap_or_default();
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            ..Self::default()
        }
    }

    pub(crate) fn load(path: &Path, seed: u64) -> io::Result<Self> {
        match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::new(seed)),
            Err(error) => Err(error),
        }
    }

    /// Writes it beside the file and renames, so that a killed process leaves a whole file. It holds passwords.
    pub(crate) fn save(&mut self, path: &Path) -> io::Result<()> {
        if !std::mem::take(&mut self.dirty) {
            return Ok(());
        }
        let beside = path.with_extension("writing");
        let bytes = serde_json::to_vec(self).map_err(io::Error::other)?;
        let mut file = File::options()
            .mode(0o600)
            .create(true)
            .write(true)
            .truncate(true)
            .open(&beside)?;
        file.write_all(&bytes)?;
        fs::rename(beside, path)
    }

    pub(crate) fn now(&self) -> i64 {
        let ticking = self.tokio.map(|(since, then)| then + millis(since.elapsed()));
        ticking.or(self.frozen).unwrap_or_else(wall) + self.advanced
    }

    pub(crate) fn advance(&mut self, time: Duration) {
        self.advanced += millis(time);
        self.dirty = true;
    }

    /// What should be gone by now goes, with what is inside it.
    pub(crate) fn sweep(&mut self) {
        let now = self.now();
        let gone: Vec<_> = self
            .resources
            .values()
            .filter(|is| is.gone_at.is_some_and(|at| at <= now))
            .collect();
        let gone: Vec<_> = gone.into_iter().map(|is| (is.kind, is.id.clone())).collect();
        for (kind, id) in gone {
            self.remove(kind, &id);
        }
    }

    /// Text that looks random and is the same for the same seed.
    pub(crate) fn random(&mut self, length: usize) -> String {
        const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        self.serial += 1;
        self.dirty = true;
        let hash = Sha256::digest(format!("{}/{}", self.seed, self.serial));
        let pick = |byte: &u8| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]);
        hash.iter().cycle().take(length).map(pick).collect()
    }

    /// A number that was never given before.
    pub(crate) fn number(&mut self) -> u64 {
        self.serial += 1;
        self.dirty = true;
        self.serial
    }

    pub(crate) fn put(&mut self, resource: Resource) {
        self.dirty = true;
        self.resources.insert((resource.kind, resource.id.clone()), resource);
    }

    pub(crate) fn get(&self, kind: Kind, id: &str) -> Option<&Resource> {
        self.resources.get(&(kind, id.to_owned()))
    }

    pub(crate) fn edit(&mut self, kind: Kind, id: &str) -> Option<&mut Resource> {
        self.dirty = true;
        self.resources.get_mut(&(kind, id.to_owned()))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Resource> {
        self.resources.values()
    }

    pub(crate) fn of(&self, kind: Kind) -> impl Iterator<Item = &Resource> {
        let from = self.resources.range((kind, String::new())..);
        from.take_while(move |((is, _), _)| *is == kind)
            .map(|(_, resource)| resource)
    }

    /// What is directly inside something.
    pub(crate) fn inside(&self, kind: Kind, id: &str) -> Vec<(Kind, String)> {
        let inside = self
            .all()
            .filter(|is| is.kind.parent() == Some(kind) && is.parent.as_deref() == Some(id));
        inside.map(|is| (is.kind, is.id.clone())).collect()
    }

    /// Removes it and what is inside it.
    pub(crate) fn remove(&mut self, kind: Kind, id: &str) -> Option<Resource> {
        self.dirty = true;
        for (kind, id) in self.inside(kind, id) {
            self.remove(kind, &id);
        }
        self.resources.remove(&(kind, id.to_owned()))
    }

    /// Whether a key uses a nonce for the first time, of those that are young enough to be sent again.
    pub(crate) fn first_use(&mut self, key: &str, nonce: &str, memory: i64) -> bool {
        self.nonces
            .first_use((key.to_owned(), nonce.to_owned()), wall(), memory)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }

    /// The last moment at which something will come to rest, appear or go.
    pub(crate) fn unrest(&self) -> Duration {
        // A job that is done is kept for a while, and nobody waits for its end.
        let ends = self.all().filter(|is| is.kind != Kind::Job).flat_map(|is| {
            [
                is.busy.as_ref().map(|busy| busy.until),
                is.gone_at,
                Some(is.visible_from),
            ]
        });
        let last = ends
            .flatten()
            .chain(self.tokens.values().map(|token| token.settled))
            .max();
        let left = last.map_or(0, |last| last - self.now());
        Duration::from_millis(u64::try_from(left).unwrap_or_default())
    }
}

/// The nonces of keys. Each is kept for at least as long as it could be sent again, and at most twice as long, without
/// ever being looked through.
#[derive(Debug, Default)]
struct Nonces {
    new: HashSet<(String, String)>,
    old: HashSet<(String, String)>,
    since: i64,
}

impl Nonces {
    fn first_use(&mut self, nonce: (String, String), now: i64, memory: i64) -> bool {
        if now - self.since >= memory {
            self.old = std::mem::take(&mut self.new);
            self.since = now;
        }
        !self.old.contains(&nonce) && self.new.insert(nonce)
    }
}

/// Resources know their own keys.
mod as_list {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::resource::{Kind, Resource};

    type Table = BTreeMap<(Kind, String), Resource>;

    pub(super) fn serialize<S: Serializer>(table: &Table, to: S) -> Result<S::Ok, S::Error> {
        table.values().collect::<Vec<_>>().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Table, D::Error> {
        let all = Vec::<Resource>::deserialize(from)?;
        Ok(all.into_iter().map(|is| ((is.kind, is.id.clone()), is)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_known_for_as_long_as_it_could_be_sent_again() {
        let (mut nonces, nonce) = (Nonces::default(), |text: &str| ("key".to_owned(), text.to_owned()));
        assert!(nonces.first_use(nonce("a"), 1_000, 900));
        assert!(!nonces.first_use(nonce("a"), 1_001, 900));
        assert!(nonces.first_use(nonce("b"), 1_899, 900));
        assert!(nonces.first_use(nonce("c"), 1_900, 900));
        assert!(!nonces.first_use(nonce("b"), 2_798, 900));
        assert!(
            nonces.first_use(nonce("a"), 3_700, 900),
            "one that is too old is forgotten"
        );
    }
}
