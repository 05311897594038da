//! The third step: one step of the engine, with the status as its write-ahead.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt};
use mooring_provider::{Access, Account, DynAdapter, Error, ErrorKind, Identity, Permission};
use secrecy::SecretString;

use super::{
    Failure, account,
    approval::Approvals,
    dereference::Inputs,
    place_of,
    recent::Recent,
    relations,
    secret::{self, Content, Found, Place},
    status::{self, Told, Written},
    validate::Plan,
};
use crate::{
    api::{CloudResource, CloudResourceStatus, Shared, condition, names},
    engine::{Connection, Job, Report, Want, WriteAhead, effective, new_password},
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
    /// The account of its own component.
    pub(super) account: Option<Account>,
    /// The value of the annotation that asks for new credentials that was acted upon.
    pub(super) rotated: Option<String>,
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
    let asked = object.annotations().get(names::ROTATE).cloned();
    let (mut own, mut accounts) = (None, Vec::new());
    if has_accounts {
        let database = plan.spec["database"].as_str().unwrap_or(&inputs.key().application);
        let wish = account::main(database, relations::sharing(context, plan.shared.as_ref()));
        let name = adapter.login(identity, &wish);
        let (password, now) = credentials(context, &place, found, &plan.spec, &name, asked.as_deref()).await?;
        found = now;
        if let Found::Foreign(holder) = &found {
            return Ok(Err(taken(&place, holder)));
        }
        let account = Account {
            name,
            access: plan.consumption.access,
            password,
        };
        accounts.push(account.clone());
        let shared = plan.shared.as_ref();
        accounts.extend(of_binds(context, inputs, shared, |wish| adapter.login(identity, wish)).await?);
        own = Some(account);
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
                accounts,
            },
            false => Want::Present {
                spec: plan.spec.clone(),
                accounts,
                recreate: lost == Some(incarnation),
            },
        },
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
    let object = ahead.object();
    Ok(Ok(Provided {
        object,
        report,
        place,
        found,
        account: own,
        rotated: asked.filter(|_| has_accounts),
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

/// The password in the Secret; a new one, in the Secret before anybody is told of it, if there is none, or if it was
/// asked for.
pub(super) async fn credentials(
    context: &Context,
    place: &Place,
    found: Found,
    spec: &serde_json::Value,
    username: &str,
    asked: Option<&str>,
) -> kube::Result<(SecretString, Found)> {
    let mut entries = mooring_provider::Bindings::new();
    let mut revision = 0;
    if let Found::Ours(ours) = &found {
        entries = ours.entries();
        revision = ours.revision();
        let same = entries.get("username").is_some_and(|name| name.expose() == username);
        // A Secret that was never asked for others, and has no word of it, was made with the wish already there.
        // Nor does taking the wish back ask for anything.
        let asks = asked.is_some() && ours.rotated() != asked;
        if let (Some(password), true) = (ours.password(), !asks && same) {
            return Ok((password, found));
        }
    }
    let password = new_password();
    entries.extend(secret::credentials(username, &password));
    let scheme = |engine| {
        serde_json::from_value::<mooring_provider::spec::Engine>(engine).map(mooring_provider::spec::Engine::scheme)
    };
    let content = Content {
        type_: scheme(spec["engine"].clone()).unwrap_or("database").to_owned(),
        entries,
        revision,
        rotated: asked.map(str::to_owned),
        pending: true,
    };
    let now = secret::put(context, place, found, &content).await?;
    // Whoever was quicker has made another one.
    let password = match &now {
        Found::Ours(ours) => ours.password().unwrap_or(password),
        _ => password,
    };
    Ok((password, now))
}

/// The accounts of those who bind to it and have a password.
async fn of_binds(
    context: &Context,
    inputs: &Inputs,
    shared: Option<&Shared>,
    login: impl Fn(&str) -> String,
) -> kube::Result<Vec<Account>> {
    let mut accounts = Vec::new();
    let target = relations::Relative {
        object: Arc::clone(&inputs.object),
        declaration: inputs.declaration.clone(),
    };
    for bind in relations::binds(context, inputs.key()) {
        let Some(most) = relations::consents(&target, bind.key()).filter(|_| relations::wants_account(context, &bind))
        else {
            continue;
        };
        if let Found::Ours(ours) = secret::find(context, &place_of(&bind.object)).await?
            && let Some(password) = ours.password()
        {
            let access = bind
                .object
                .spec
                .bind
                .as_ref()
                .and_then(|bind| bind.access)
                .unwrap_or(Access::ReadOnly);
            accounts.push(Account {
                name: login(&account::of_bind(bind.key(), relations::sharing(context, shared))),
                access: access.at_most(most),
                password,
            });
        }
    }
    Ok(accounts)
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
