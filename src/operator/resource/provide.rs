//! The third step: one step of the engine, with the status as its write-ahead.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt};
use mooring_provider::{Access, Account, DynAdapter, Error, ErrorKind, Identity, Permission, Value};

use super::{
    Failure, account,
    approval::Approvals,
    dereference::Inputs,
    login::{self, Asked, Login},
    place_of,
    recent::Recent,
    relations,
    retiring::{self, Leavers, Leaving},
    secret::{self, Found, Ours, Place},
    status::{self, Told, Written},
    validate::Plan,
};
use crate::{
    api::{CloudResource, CloudResourceStatus, Shared, condition, names},
    engine::{
        Connection, Job, Report, Retiring, Want, WriteAhead, effective,
        rotation::{self, of_generation},
    },
    ledger::Memory,
    operator::Context,
};

/// What the step came to.
#[derive(Debug)]
pub(super) struct Provided {
    pub(super) object: Arc<CloudResource>,
    pub(super) report: Report,
    pub(super) place: Place,
    pub(super) found: Found,
    /// The account of something that exists already.
    pub(super) given: Option<Account>,
    /// The login of its own component.
    pub(super) login: Option<Login>,
    /// The accounts of that which retire.
    pub(super) leavers: Leavers,
    /// Accounts of those who bind to it retire.
    pub(super) binds_rotate: bool,
    /// When it is rotated by itself, and how long an old one is waited for.
    pub(super) rotation: (Option<Duration>, Duration),
    /// An SRE approved that it moves here.
    pub(super) moved: bool,
}

/// Takes one step. `base` is the status as it will be but for what the step tells.
pub(super) async fn provide(
    context: &Context,
    recent: &Recent,
    inputs: &Inputs,
    plan: &Plan,
    connection: &Connection,
    identity: &Identity,
    base: &CloudResourceStatus,
) -> Result<Result<Provided, Told>, Failure> {
    let object = &inputs.object;
    let place = place_of(object);
    // Before the Secrets: what another replica, which leads now, has its provider told of meanwhile is none of these.
    let told = context.engine.ledger().told(identity).await?;
    let mut found = secret::find(context, &place).await?;
    if let Found::Foreign(holder) = &found {
        return Ok(Err(taken(&place, holder)));
    }
    let adapter = match connection.adapter(inputs.kind, crate::engine::Priority::Create) {
        Ok(adapter) => adapter,
        Err(error) => return Ok(Err(Told::no(error.reason(), error.to_string()))),
    };
    let policy = plan.deletion.as_ref().and_then(|deletion| deletion.policy);
    if let Some(Err(problem)) = policy.map(|policy| effective::can_be_kept(policy, &adapter.capability())) {
        return Ok(Err(Told::no(problem.reason, problem.to_string())));
    }
    let has_accounts = adapter.capability().accounts && plan.existing.is_none();
    let rotation = rotation::in_effect(&plan.values);
    let (mut own, mut login, mut leavers) = (None, None, Leavers::default());
    let mut accounts = Accounts::default();
    if has_accounts {
        let wish = |database: &str| account::main(database, relations::sharing(context, plan.shared.as_ref()));
        let declared = wish(plan.spec["database"].as_str().unwrap_or(&inputs.key().application));
        // The database's name cannot be changed any more, and whoever tries keeps the login that is in use.
        let was_named = |ours: &Ours| {
            let wish = wish(ours.entries().get("database").map(Value::expose)?);
            let names = |generation| adapter.login(identity, &of_generation(&wish, generation));
            Login::of(ours, plan.consumption.access, &names).map(|_| wish)
        };
        let wish = match &found {
            Found::Ours(ours) => was_named(ours).unwrap_or(declared),
            _ => declared,
        };
        let names = |generation| adapter.login(identity, &of_generation(&wish, generation));
        let asked = Asked {
            object,
            place: &place,
            type_: type_of(&plan.spec["engine"]),
            access: plan.consumption.access,
            names: &names,
            told: &told,
            rotation,
            side_by_side: adapter.second_account(&plan.spec).is_ok(),
        };
        let (settled, now) = login::settle(context, found, &asked).await?;
        found = now;
        let (settled, ours) = match (settled, &found) {
            (Some(settled), Found::Ours(ours)) => (settled, ours),
            (_, Found::Foreign(holder)) => return Ok(Err(taken(&place, holder))),
            _ => {
                let message = "its Secret was changed by somebody just now; it is looked at again";
                return Ok(Err(Told::no("WaitingFor", message)));
            }
        };
        accounts.all = settled.accounts();
        leavers = retiring::judge(context, object, &place, ours, &settled, &names).await?;
        accounts.leaving.clone_from(&leavers.all);
        let shared = plan.shared.as_ref();
        let login_of = |wish: &str| adapter.login(identity, wish);
        of_binds(context, inputs, shared, login_of, &told, &mut accounts).await?;
        login = Some(settled);
    } else if let Some(name) = &plan.credentials_secret {
        match given(context, &place.namespace, name).await? {
            Some(account) => own = Some(account),
            None => {
                let message =
                    format!("existing.credentialsSecret: there is no Secret `{name}` with username and password");
                return Ok(Err(Told::no("SecretNotFound", message)));
            }
        }
    }
    let owner = plan.owner(context, identity, inputs.key());
    let approvals = Approvals::of(context, identity, Some(&plan.environment), Some(&plan.provider));
    let lost = object
        .annotations()
        .get(names::RECREATE)
        .and_then(|value| value.parse::<u32>().ok());
    let incarnation = inputs.record.as_ref().map_or(0, |record| record.memory.incarnation);
    let incarnation = incarnation.max(inputs.status.memory.incarnation);
    let job = Job {
        kind: inputs.kind,
        environment: plan.environment.clone(),
        existing: plan.existing.clone(),
        want: match plan.is_joined() {
            true => Want::Joined {
                spec: plan.spec.clone(),
                accounts: accounts.all,
            },
            false => Want::Present {
                spec: plan.spec.clone(),
                accounts: accounts.all,
                recreate: lost == Some(incarnation),
            },
        },
        retiring: accounts.leaving.iter().map(|leaving| leaving.account.clone()).collect(),
        known: Some(told.into_keys().collect()),
        may_adopt: approvals.moves_to(&owner.key),
        owner,
    };
    let ahead = Ahead {
        context,
        recent,
        object: Mutex::new(Arc::clone(object)),
        base,
    };
    let report = context
        .engine
        .step(connection, &job, &inputs.status.memory, &ahead)
        .await;
    let dropped = |leaving: &&Leaving| report.dropped.as_ref() == Some(&leaving.account.name);
    if let Some(Leaving { place, generation, .. }) = accounts.leaving.iter().find(dropped) {
        login::dropped(context, place, *generation).await?;
    }
    let object = ahead.object();
    Ok(Ok(Provided {
        object,
        report,
        place,
        found,
        given: own,
        login,
        binds_rotate: accounts.leaving.len() > leavers.all.len(),
        leavers,
        rotation,
        moved: job.may_adopt,
    }))
}

fn taken(place: &Place, holder: &str) -> Told {
    let message = format!(
        "the Secret `{}` is there already and belongs to {holder}; it is left as it is: remove it, or give this one \
         another `secretName`",
        place.name
    );
    Told::no("SecretTaken", message)
}

/// The type of a database's Secret.
pub(super) fn type_of(engine: &serde_json::Value) -> &'static str {
    let engine = serde_json::from_value::<mooring_provider::spec::Engine>(engine.clone());
    engine.map_or("database", mooring_provider::spec::Engine::scheme)
}

/// What the accounts at a resource come to: those of its own component, and of those who bind to it.
#[derive(Debug, Default)]
struct Accounts {
    all: Vec<Account>,
    leaving: Vec<Leaving>,
}

/// The accounts of those who bind to it and have a password.
async fn of_binds(
    context: &Context,
    inputs: &Inputs,
    shared: Option<&Shared>,
    login: impl Fn(&str) -> String + Send + Sync,
    told: &BTreeMap<String, String>,
    accounts: &mut Accounts,
) -> kube::Result<()> {
    let target = relations::Relative {
        object: Arc::clone(&inputs.object),
        declaration: inputs.declaration.clone(),
    };
    for bind in relations::binds(context, inputs.key()) {
        let Some(most) = relations::consents(&target, bind.key()).filter(|_| relations::wants_account(context, &bind))
        else {
            continue;
        };
        let wish = account::of_bind(bind.key(), relations::sharing(context, shared));
        let names = |generation| login(&of_generation(&wish, generation));
        let access = bind
            .object
            .spec
            .bind
            .as_ref()
            .and_then(|bind| bind.access)
            .unwrap_or(Access::ReadOnly)
            .at_most(most);
        let place = place_of(&bind.object);
        let found = secret::find(context, &place).await?;
        let there = match &found {
            Found::Ours(ours) => Login::of(ours, access, &names).map(|login| (ours, login)),
            _ => None,
        };
        let Some((ours, login)) = there else {
            // Its Secret is lost, and what it had is good until it has another.
            let known = bind.status().credentials.map_or(1, |known| known.generations.highest);
            accounts.leaving.extend(
                (1..=known + 1)
                    .map(|generation| (generation, names(generation)))
                    .filter(|(_, name)| told.contains_key(name))
                    .map(|(generation, name)| Leaving {
                        account: Retiring { name, when: None },
                        generation,
                        place: place.clone(),
                    }),
            );
            continue;
        };
        accounts.all.extend(login.accounts());
        let leavers = retiring::judge(context, &bind.object, &place, ours, &login, &names).await?;
        accounts.leaving.extend(leavers.all);
    }
    Ok(())
}

/// The account of something that exists already.
async fn given(context: &Context, namespace: &str, name: &str) -> kube::Result<Option<Account>> {
    let Some(secret) = Api::<Secret>::namespaced(context.client.clone(), namespace)
        .get_opt(name)
        .await?
    else {
        return Ok(None);
    };
    let text = |key: &str| String::from_utf8(secret.data.as_ref()?.get(key)?.0.clone()).ok();
    Ok(text("username").zip(text("password")).map(|(name, password)| Account {
        name,
        access: Access::Owner,
        password: password.into(),
    }))
}

/// Writes the intent into the status, if nobody else did.
struct Ahead<'a> {
    context: &'a Context,
    recent: &'a Recent,
    object: Mutex<Arc<CloudResource>>,
    base: &'a CloudResourceStatus,
}

impl Ahead<'_> {
    fn object(&self) -> Arc<CloudResource> {
        Arc::clone(&self.object.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl WriteAhead for Ahead<'_> {
    async fn write(&self, memory: &Memory) -> mooring_provider::Result<Permission> {
        let object = self.object();
        let mut written = CloudResourceStatus {
            memory: memory.clone(),
            ..self.base.clone()
        };
        let told = Told::no("Provisioning", "the provider is asked to make it");
        for type_ in [condition::READY, condition::SYNCED] {
            status::set(&mut written, type_, &told, object.metadata.generation);
        }
        match status::swap(self.context, self.recent, &object, &written).await {
            Ok(Written::Done(object)) => {
                *self.object.lock().unwrap_or_else(PoisonError::into_inner) = object;
                Ok(Permission::Granted)
            }
            Ok(Written::Overtaken) => Ok(Permission::Settling),
            Err(error) => {
                let message = "the intent could not be written to the CloudResource; nothing is created until it can";
                Err(Error::new(ErrorKind::Unavailable, "write-ahead", message).with_source(error))
            }
        }
    }
}
