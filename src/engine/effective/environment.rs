//! Which Environment an Application is in, and what that says in one place.

use std::collections::BTreeMap;

use mooring_provider::{Kind, spec::Engine};
use serde_json::{Map, Value as Json};

use super::layers;
use crate::{
    api::{Declares, EnvironmentSpec, IdentityScope, NO_PROVIDER, Origin, Place, Settings, names},
    engine::{
        declare::sense,
        problem::{Problem, did_you_mean, listed, reason},
    },
};

/// Chooses the Environment: what the Application is labelled with, else what its namespace is labelled with, else the
/// default one. `known` has the name of each Environment there is and whether it is the default; a front that offers
/// the built-in one lists it too.
pub fn choose_environment(
    application: Option<&str>,
    namespace: Option<&str>,
    known: &BTreeMap<String, bool>,
) -> Result<String, Problem> {
    let names = || known.keys().map(String::as_str);
    let not_found = |message: String| Problem::new(reason::ENVIRONMENT_NOT_FOUND, message);
    for (named, holder) in [(application, "the Application"), (namespace, "the namespace")] {
        let Some(name) = named else { continue };
        if known.contains_key(name) {
            return Ok(name.to_owned());
        }
        let hint = match did_you_mean(name, names()) {
            hint if hint.is_empty() => format!("; there are: {}", listed(names())),
            hint => hint,
        };
        let message = format!("there is no such Environment; {holder} is labelled with it{hint}");
        return Err(not_found(message).field(names::ENVIRONMENT).value(name));
    }
    let defaults: Vec<_> = known
        .iter()
        .filter(|(_, default)| **default)
        .map(|(name, _)| name.as_str())
        .collect();
    let label = names::ENVIRONMENT;
    match defaults.as_slice() {
        [one] => Ok((*one).to_owned()),
        [] => Err(not_found(format!(
            "no Environment is named, and none is the default: label the Application or its namespace with `{label}` \
             (there are: {}), or annotate one Environment with `{}: \"true\"`",
            listed(names()),
            names::DEFAULT
        ))),
        several => Err(not_found(format!(
            "no Environment is named, and more than one is the default ({}): label the Application with `{label}`, or \
             remove the annotation `{}` from all but one",
            listed(several.iter().copied()),
            names::DEFAULT
        ))),
    }
}

/// Who serves a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Server {
    /// The ProviderConfig of this name.
    Config(String),
    /// Nobody, on purpose: the application runs on without it.
    Nobody,
}

/// Who serves a kind in an environment.
pub fn server(environment: &str, spec: &EnvironmentSpec, kind: Kind) -> Result<Server, Problem> {
    match spec.providers.kinds.get(kind).or(spec.providers.default.as_ref()) {
        Some(name) if name == NO_PROVIDER => Ok(Server::Nobody),
        Some(name) => Ok(Server::Config(name.clone())),
        None => Err(Problem::new(
            reason::NO_PROVIDER,
            format!(
                "Environment `{environment}` names no provider for it; an SRE may set `providers.{kind}` or \
                 `providers.default`, to `none` where it is to be done without"
            ),
        )),
    }
}

/// The kinds that an environment has a ProviderConfig serve.
pub fn routed<'a>(spec: &'a EnvironmentSpec, provider: &'a str) -> impl Iterator<Item = Kind> + 'a {
    let providers = &spec.providers;
    Kind::ALL.into_iter().filter(move |kind| {
        let named = providers.kinds.get(*kind).or(providers.default.as_ref());
        named.is_some_and(|name| name == provider)
    })
}

/// What an environment says in a region and a cluster: its settings with the overrides that match, the later stronger.
pub fn settings(spec: &EnvironmentSpec, region: Option<&str>, cluster: &str) -> Result<Settings, Problem> {
    let invalid =
        |error: serde_json::Error| Problem::new(reason::INVALID_ENVIRONMENT, error.to_string()).field("overrides");
    let as_object = |settings: &Settings| -> Result<Map<String, Json>, Problem> {
        match serde_json::to_value(settings).map_err(invalid)? {
            Json::Object(object) => Ok(object),
            _ => Ok(Map::new()),
        }
    };
    let mut merged = as_object(&spec.settings)?;
    for entry in spec
        .overrides
        .iter()
        .filter(|entry| matches(&entry.when, region, cluster))
    {
        layers::merge(&mut merged, &as_object(&entry.settings)?);
    }
    serde_json::from_value(Json::Object(merged)).map_err(invalid)
}

fn matches(when: &Place, region: Option<&str>, cluster: &str) -> bool {
    when.region.as_deref().is_none_or(|wanted| region == Some(wanted))
        && when.cluster.as_deref().is_none_or(|wanted| cluster == wanted)
}

/// Everything that is wrong with an Environment by itself.
pub fn check_environment(spec: &EnvironmentSpec) -> Vec<Problem> {
    let mut problems = judge(&spec.settings, "");
    for (index, entry) in spec.overrides.iter().enumerate() {
        problems.extend(judge(&entry.settings, &format!("overrides[{index}].")));
    }
    for problem in &mut problems {
        problem.reason = reason::INVALID_ENVIRONMENT;
    }
    if spec.home.is_some() != (spec.identity_scope == IdentityScope::Environment) {
        let message = "names the cluster that makes what `identityScope: environment` shares: set both, or neither";
        problems.push(Problem::new(reason::INVALID_ENVIRONMENT, message).field("home"));
    }
    problems
}

fn judge(settings: &Settings, at: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    for kind in Kind::ALL {
        for (origin, layer) in [
            (Origin::EnvironmentDefault, settings.defaults.get(kind)),
            (Origin::Enforced, settings.enforce.get(kind)),
        ] {
            let Some(layer) = layer else { continue };
            problems.extend(sense::partial(
                Declares::Resource(kind),
                &layer.0,
                &format!("{at}{}.{kind}", layer_name(origin)),
            ));
        }
    }
    for name in settings.engines.keys() {
        if let Err(error) = serde_json::from_value::<Engine>(Json::String(name.clone())) {
            problems.push(
                Problem::new(reason::INVALID_ENVIRONMENT, error.to_string()).field(format!("{at}engines.{name}")),
            );
        }
    }
    let network = settings.network.iter();
    for network in network {
        for (index, range) in network.clients.cidrs.iter().enumerate() {
            problems.extend(sense::address_range(
                &format!("{at}network.clients.cidrs[{index}]"),
                range,
            ));
        }
        let pool = network.dedicated.cidr_pool.iter();
        problems
            .extend(pool.filter_map(|range| sense::address_range(&format!("{at}network.dedicated.cidrPool"), range)));
    }
    problems
}

/// The member of an Environment that an origin is.
pub(super) fn layer_name(origin: Origin) -> &'static str {
    if origin == Origin::Enforced {
        "enforce"
    } else {
        "defaults"
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_environment_is_named_or_the_default() {
        let known = |defaults: &[&str]| -> BTreeMap<String, bool> {
            ["production", "staging"]
                .map(|name| (name.to_owned(), defaults.contains(&name)))
                .into()
        };
        let cases: [(_, _, &[&str], _); 8] = [
            (Some("production"), Some("staging"), &[], Ok("production")),
            (None, Some("staging"), &["production"], Ok("staging")),
            (None, None, &["production"], Ok("production")),
            (
                Some("prodution"),
                None,
                &["production"],
                Err("did you mean `production`"),
            ),
            (
                Some("nowhere"),
                None,
                &[],
                Err("the Application is labelled with it; there are: production, staging"),
            ),
            (
                None,
                Some("nowhere"),
                &["production"],
                Err("the namespace is labelled with it"),
            ),
            (None, None, &[], Err("none is the default")),
            (
                None,
                None,
                &["production", "staging"],
                Err("more than one is the default (production, staging)"),
            ),
        ];
        for (application, namespace, defaults, expected) in cases {
            match (choose_environment(application, namespace, &known(defaults)), expected) {
                (Ok(chosen), Ok(wanted)) => assert_eq!(chosen, wanted),
                (Err(problem), Err(words)) => assert!(problem.to_string().contains(words), "{problem}"),
                (result, expected) => panic!("{result:?}, expected {expected:?}"),
            }
        }
    }

    fn environment(spec: Json) -> EnvironmentSpec {
        serde_json::from_value(spec).expect("an environment")
    }

    #[test]
    fn overrides_hold_where_they_match_and_the_later_wins() {
        let spec = environment(json!({
            "providers": {"default": "a"}, "resourceGroup": "everywhere", "tags": {"a": "1", "b": "1"},
            "overrides": [
                {"when": {"region": "cn-beijing"}, "resourceGroup": "beijing", "tags": {"b": "2"}},
                {"when": {"region": "cn-beijing", "cluster": "blue"}, "resourceGroup": "blue"},
            ],
        }));
        let group = |region, cluster| settings(&spec, region, cluster).expect("it merges").resource_group;
        assert_eq!(group(None, "blue").as_deref(), Some("everywhere"));
        assert_eq!(group(Some("cn-beijing"), "green").as_deref(), Some("beijing"));
        assert_eq!(group(Some("cn-beijing"), "blue").as_deref(), Some("blue"));
        let tags = settings(&spec, Some("cn-beijing"), "green").expect("it merges").tags;
        assert_eq!((tags["a"].as_str(), tags["b"].as_str()), ("1", "2"));
    }

    #[test]
    fn each_kind_has_its_server() {
        let spec = environment(json!({"providers": {"default": "a", "log": "loki", "monitor": "none"}}));
        let of = |kind| server("production", &spec, kind).expect("one is named");
        assert_eq!(of(Kind::Rds), Server::Config("a".into()));
        assert_eq!(of(Kind::Log), Server::Config("loki".into()));
        assert_eq!(of(Kind::Monitor), Server::Nobody);
        assert_eq!(routed(&spec, "loki").collect::<Vec<_>>(), [Kind::Log]);
        assert_eq!(routed(&spec, "a").count(), Kind::ALL.len() - 2);
        assert_eq!(
            routed(&spec, "none").collect::<Vec<_>>(),
            [Kind::Monitor],
            "the word is no provider"
        );
        let problem = server("p", &EnvironmentSpec::default(), Kind::Rds).expect_err("none is named");
        assert!(problem.to_string().contains("`providers.rds`"), "{problem}");
    }

    #[test]
    fn what_is_wrong_with_an_environment_is_said() {
        let spec = environment(json!({
            "providers": {"default": "a"},
            "defaults": {"rds": {"storag": "20Gi", "existing": {"id": "x"}}},
            "enforce": {"slb": {"scheme": "outside"}},
            "engines": {"mysqll": {"onprem": "mariadb"}},
            "identityScope": "environment",
            "network": {"clients": {"cidrs": ["10.0.0.1/8"]}},
            "overrides": [{"when": {"region": "r"}, "enforce": {"rds": {"tls": "yes"}}}],
        }));
        let fields: Vec<_> = check_environment(&spec)
            .into_iter()
            .map(|problem| problem.field)
            .collect();
        assert_eq!(
            fields,
            [
                "defaults.rds.existing",
                "defaults.rds.storag",
                "enforce.slb.scheme",
                "engines.mysqll",
                "network.clients.cidrs[0]",
                "overrides[0].enforce.rds.tls",
                "home",
            ]
        );
    }
}
