//! The login of a consumer as its Secret has it: the generations there are, and what is asked of them.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use kube::ResourceExt;
use mooring_provider::{Access, Account, Bindings, Span, Value};
use secrecy::SecretString;

use super::secret::{self, Content, Found, NEXT_PASSWORD, Ours, PREVIOUS_PASSWORD, Place};
use crate::{
    api::{CloudResource, names},
    engine::{new_password, rotation::Generations},
    operator::Context,
};

/// The name of each generation of a login, as its provider has it.
pub(super) type Names<'a> = &'a (dyn Fn(u32) -> String + Send + Sync);

/// How many generations before and beyond the last that is remembered are looked for among what the ledger knows.
const AROUND: u32 = 64;

/// The login of a consumer.
#[derive(Debug, Clone)]
pub(super) struct Login {
    pub(super) generations: Generations,
    pub(super) access: Access,
    current: (String, SecretString),
    next: Option<(String, SecretString)>,
    previous: Option<SecretString>,
}

impl Login {
    /// As a Secret has it; `None` if it has none that is of our making.
    pub(super) fn of(ours: &Ours, access: Access, names: Names<'_>) -> Option<Self> {
        let entries = ours.entries();
        let username = entries.get("username").map(Value::expose)?;
        let mut generations = match ours.generations() {
            Some(generations) => generations,
            // It was made when there was but one.
            None if username == names(1) => Generations::first(ours.created().unwrap_or(Timestamp::UNIX_EPOCH)),
            None => return None,
        };
        let name = names(generations.current);
        if username != name {
            return None;
        }
        let previous = ours.password(PREVIOUS_PASSWORD);
        generations.previous = generations.previous.filter(|_| previous.is_some());
        let next = generations.next.as_ref().map(|next| names(next.generation));
        Some(Self {
            current: (name, ours.password("password")?),
            next: next.zip(ours.password(NEXT_PASSWORD)),
            previous,
            access,
            generations,
        })
    }

    fn account(&self, (name, password): &(String, SecretString)) -> Account {
        Account {
            name: name.clone(),
            access: self.access,
            password: password.clone(),
        }
    }

    /// The account that consumers are shown.
    pub(super) fn current(&self) -> Account {
        self.account(&self.current)
    }

    /// The account that is being made.
    pub(super) fn next(&self) -> Option<Account> {
        self.next.as_ref().map(|next| self.account(next))
    }

    /// The accounts that the provider is to have for it, but for those that retire.
    pub(super) fn accounts(&self) -> Vec<Account> {
        let both = std::iter::once(self.current()).chain(self.next());
        both.collect()
    }

    /// Shows the next one, which the provider was told of.
    pub(super) fn promote(&mut self, now: Timestamp, within: Duration) {
        if let Some(next) = self.next.take() {
            let before = std::mem::replace(&mut self.current, next);
            self.previous = Some(before.1);
            self.generations.promote(now, within);
        }
    }

    /// The entries that are for no consumer.
    pub(super) fn hidden(&self) -> Bindings {
        let next = self.next.as_ref().map(|(_, password)| (NEXT_PASSWORD, password));
        let previous = self.previous.as_ref().map(|password| (PREVIOUS_PASSWORD, password));
        let previous = previous.filter(|_| self.keeps_previous());
        let both = next.into_iter().chain(previous);
        both.map(|(entry, password)| (entry.to_owned(), Value::Secret(password.clone())))
            .collect()
    }

    fn keeps_previous(&self) -> bool {
        self.generations.previous.is_some()
    }
}

/// What is asked of a login.
pub(super) struct Asked<'a> {
    pub(super) object: &'a CloudResource,
    pub(super) place: &'a Place,
    /// The type of its Secret.
    pub(super) type_: &'a str,
    pub(super) access: Access,
    pub(super) names: Names<'a>,
    /// The accounts that the ledger says the provider was told of.
    pub(super) told: &'a BTreeMap<String, String>,
    /// When it is rotated by itself, and how long an old one is waited for.
    pub(super) rotation: (Option<Duration>, Duration),
    /// Two accounts of it can stand side by side.
    pub(super) side_by_side: bool,
}

/// The login in the Secret; a new one, in the Secret before anybody is told of it, if there is none, or if that was
/// asked for. `None` when somebody was quicker and what is there now is no login.
pub(super) async fn settle(context: &Context, found: Found, asked: &Asked<'_>) -> kube::Result<(Option<Login>, Found)> {
    let now = context.engine.clock().now();
    let ours = match &found {
        Found::Ours(ours) => Some(ours),
        Found::Nothing => None,
        Found::Foreign(_) => return Ok((None, found)),
    };
    let there = ours.and_then(|ours| Login::of(ours, asked.access, asked.names));
    let mut entries = ours.map(|ours| ours.entries()).unwrap_or_default();
    let wish = asked.object.annotations().get(names::ROTATE).cloned();
    // A Secret that was never asked for others, and has no word of it, was made with the wish already there. Nor does
    // taking the wish back ask for anything.
    let is_wished = wish.is_some() && ours.is_some_and(|ours| ours.rotated() != wish.as_deref());
    let mut is_refused = false;
    let (login, fresh) = match there {
        Some(mut login) => {
            is_refused = is_wished && asked.side_by_side && !login.generations.has_room();
            // Who has one that this Secret did not know of is to be given this one.
            let was_found = found_again(&mut login.generations, asked, now);
            let is_other = change(&mut login, asked, is_wished, now);
            (login, was_found || is_other)
        }
        None => (anew(asked, now), true),
    };
    entries.retain(|entry, _| secret::is_shown(entry));
    entries.extend(secret::credentials(&login.current.0, &login.current.1));
    entries.extend(login.hidden());
    let content = Content {
        type_: asked.type_.to_owned(),
        entries,
        revision: ours.map(|ours| ours.revision()).unwrap_or_default(),
        rotated: wish
            .filter(|_| !is_refused)
            .or_else(|| ours.and_then(|ours| ours.rotated()).map(str::to_owned)),
        generations: Some(login.generations.clone()),
        pending: fresh || ours.is_some_and(|ours| ours.is_pending()),
    };
    let now = secret::put(context, asked.place, found, &content).await?;
    // Whoever was quicker has made another one.
    let login = match &now {
        Found::Ours(ours) => Login::of(ours, asked.access, asked.names),
        _ => None,
    };
    Ok((login, now))
}

/// One whose like was not shown before. What consumers may have had goes on to be good.
fn anew(asked: &Asked<'_>, now: Timestamp) -> Login {
    let status = asked.object.status.as_ref();
    let remembered = status.and_then(|status| status.credentials.as_ref());
    let mut generations = remembered.map_or_else(|| Generations::first(now), |known| known.generations.clone());
    let within = asked.rotation.1;
    let was_found = found_again(&mut generations, asked, now);
    let was_shown = status.is_some_and(|status| status.binding.is_some());
    if was_found || was_shown || asked.told.contains_key(&(asked.names)(generations.current)) {
        if asked.side_by_side {
            generations.replace(now, within);
        } else {
            generations.since = now;
        }
    }
    Login {
        current: ((asked.names)(generations.current), new_password()),
        next: None,
        previous: None,
        access: asked.access,
        generations,
    }
}

/// Takes in what the other two memories know of, and the Secret does not: it was restored, or made anew.
fn found_again(generations: &mut Generations, asked: &Asked<'_>, now: Timestamp) -> bool {
    let status = asked.object.status.as_ref();
    let remembered = status.and_then(|status| status.credentials.as_ref());
    generations.highest = generations
        .highest
        .max(remembered.map_or(0, |known| known.generations.highest));
    let mut was_found = false;
    let highest = generations.highest;
    for generation in (1..=1).chain(highest.saturating_sub(AROUND).max(2)..=highest + AROUND) {
        if asked.told.contains_key(&(asked.names)(generation)) {
            was_found |= generations.found(generation, now, asked.rotation.1);
        }
    }
    was_found
}

/// Does what is asked of a login. True if its current password is another now.
fn change(login: &mut Login, asked: &Asked<'_>, is_wished: bool, now: Timestamp) -> bool {
    let (every, within) = asked.rotation;
    let annotation = |name: &str| asked.object.annotations().get(name).map(String::as_str);
    let means = |name: &str, generation: Option<u32>| {
        generation.is_some_and(|generation| annotation(name) == Some(generation.to_string().as_str()))
    };
    let revoke_after = annotation(names::REVOKE_AFTER).and_then(|text| text.parse::<Span>().ok());
    if login.generations.next.is_some() && login.next.is_none() {
        // Somebody took its password out.
        begin(login, asked, within, revoke_after, now);
    }
    if means(names::UNDO_ROTATION, login.generations.undoable()) {
        let before = login.generations.next.is_some();
        login.generations.undo(now, within);
        login.next = None;
        if let (false, Some(next)) = (before, &login.generations.next) {
            login.next = Some((asked.names)(next.generation)).zip(login.previous.take());
        }
    }
    let finish = annotation(names::FINISH_ROTATION) == Some(login.generations.word().as_str());
    if finish && login.generations.next.is_none() {
        login.generations.finish(now);
    }
    let login_name = login.current.0.clone();
    let is_due = every.is_some_and(|every| login.generations.due(every, &login_name) <= now);
    if is_wished && !asked.side_by_side {
        login.current.1 = new_password();
        login.generations.since = now;
        return true;
    }
    if is_wished && login.generations.has_room() {
        begin(login, asked, within, revoke_after, now);
    } else if is_due && asked.side_by_side && !login.generations.is_rotating() {
        begin(login, asked, within, None, now);
    }
    false
}

fn begin(login: &mut Login, asked: &Asked<'_>, within: Duration, revoke_after: Option<Span>, now: Timestamp) {
    login.generations.begin(now, within, revoke_after);
    let next = login
        .generations
        .next
        .as_ref()
        .map(|next| (asked.names)(next.generation));
    login.next = next.map(|name| (name, new_password()));
}

/// An account that retired was dropped: the Secret of its consumer says so. Who is asked again drops it again.
pub(super) async fn dropped(context: &Context, place: &Place, generation: u32) -> kube::Result<()> {
    let found = secret::find(context, place).await?;
    let Found::Ours(ours) = &found else { return Ok(()) };
    let Some(mut generations) = ours.generations() else {
        return Ok(());
    };
    generations.dropped(generation);
    let mut entries = ours.entries();
    if generations.previous.is_none() {
        entries.remove(PREVIOUS_PASSWORD);
    }
    let content = Content {
        type_: String::new(),
        entries,
        revision: ours.revision(),
        rotated: ours.rotated().map(str::to_owned),
        generations: Some(generations),
        pending: ours.is_pending(),
    };
    secret::put(context, place, found, &content).await.map(drop)
}
