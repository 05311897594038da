//! What both the handle and the control endpoint do.

use std::net::Ipv4Addr;

use serde_json::{Value as Json, json};

use crate::{Denial, Kind, core::Core, products::rds};

impl Core {
    pub(crate) fn deny(&mut self, key: Option<String>, denial: Option<Denial>) {
        match denial {
            Some(denial) => {
                self.denials.insert(key, denial);
            }
            None => {
                self.denials.remove(&key);
            }
        }
    }

    pub(crate) fn look(&self, kind: Kind, id: &str) -> Option<String> {
        let mut text = format!("{:?}", self.world.get(kind, id)?);
        for (kind, id) in self.world.inside(kind, id) {
            text.push('\n');
            text.push_str(&self.look(kind, &id).unwrap_or_default());
        }
        Some(text)
    }

    pub(crate) fn login(&self, id: &str, user: &str, password: &str, from: Option<Ipv4Addr>) -> bool {
        let now = self.world.now();
        let runs = self.world.get(Kind::Db, id).is_some_and(|db| {
            !matches!(db.status(now, "Running").as_str(), "Creating" | "Deleting") && db.text("LockMode") == "Unlock"
        });
        let account = self.world.get(Kind::Account, &format!("{id}/{user}"));
        let knows = account.is_some_and(|account| account.text("password") == password && !account.is_busy(now));
        runs && knows && rds::network::admits(&self.world, id, from)
    }

    /// Everything there is, for whoever looks from another process.
    pub(crate) fn everything(&self) -> Json {
        let all = self.world.all().map(|resource| {
            let mut shown = json!(resource);
            if let Some(attrs) = shown.get_mut("attrs").and_then(Json::as_object_mut) {
                attrs.remove("password");
            }
            shown
        });
        all.collect()
    }
}
