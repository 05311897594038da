//! Keystone and the services as a mock server plays them: what a real cloud cannot be made to say at will.

use std::sync::Arc;

use mooring_provider::{
    Claim, ClusterId, Credentials, DynAdapter, ErrorKind, Identity, Key, Kind, Owner, Provider as _, Sighting,
};
use mooring_provider_openstack::OpenstackProvider;
use serde_json::{Value as Json, json};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{body_partial_json, header, method, path, query_param, query_param_is_missing},
};

fn claim() -> Claim {
    Claim::new(Owner {
        cluster: ClusterId::new("c"),
        identity: Identity::new("k3x9q2"),
        key: Key::new("team-a", "shop", "web", "vpc"),
    })
}

fn credentials() -> Credentials {
    Credentials::from([
        ("applicationCredentialId".into(), "id-1".into()),
        ("applicationCredentialSecret".into(), "s3cret-value".into()),
    ])
}

fn token(catalog: Json) -> ResponseTemplate {
    let body = json!({"token": {
        "expires_at": "2999-01-01T00:00:00.000000Z", "project": {"id": "p"}, "catalog": catalog,
    }});
    ResponseTemplate::new(201)
        .insert_header("x-subject-token", "t0ken-value")
        .set_body_json(body)
}

fn catalog(server: &MockServer, regions: &[&str]) -> Json {
    let endpoints: Vec<_> = regions
        .iter()
        .flat_map(|region| {
            ["public", "internal"].map(|interface| {
                let url = format!("{}/{region}/{interface}", server.uri());
                json!({"interface": interface, "region_id": region, "url": url})
            })
        })
        .collect();
    json!([{"type": "network", "endpoints": endpoints}, {"type": "load-balancer", "endpoints": endpoints}])
}

async fn keystone(server: &MockServer, answer: ResponseTemplate) {
    Mock::given(method("POST"))
        .and(path("/v3/auth/tokens"))
        .respond_with(answer)
        .mount(server)
        .await;
}

fn connect(server: &MockServer, more: Json) -> OpenstackProvider {
    let mut config = json!({"authUrl": server.uri()});
    config
        .as_object_mut()
        .expect("an object")
        .extend(more.as_object().expect("an object").clone());
    OpenstackProvider::connect(&config, &credentials()).expect("the configuration is good")
}

fn networks(provider: &OpenstackProvider) -> Arc<dyn DynAdapter> {
    provider.adapter(Kind::Vpc).expect("it serves networks")
}

async fn seen(adapter: &dyn DynAdapter) -> Result<String, (ErrorKind, String)> {
    match adapter.observe(&[claim()]).await.pop().expect("an answer") {
        Ok(Sighting::Absent) => Ok("absent".into()),
        Ok(other) => Ok(format!("{other:?}")),
        Err(error) => Err((error.kind(), error.to_string())),
    }
}

async fn empty(server: &MockServer, at: &str) {
    for (collection, name) in [
        ("networks", "networks"),
        ("subnets", "subnets"),
        ("routers", "routers"),
        ("security-groups", "security_groups"),
        ("ports", "ports"),
    ] {
        Mock::given(method("GET"))
            .and(path(format!("{at}/v2.0/{collection}")))
            .and(header("x-auth-token", "t0ken-value"))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({ name: [] })))
            .mount(server)
            .await;
    }
}

#[tokio::test]
async fn an_application_credential_names_no_scope_and_is_asked_for_once() {
    let server = MockServer::start().await;
    let body = json!({"auth": {"identity": {
        "methods": ["application_credential"],
        "application_credential": {"id": "id-1", "secret": "s3cret-value"},
    }}});
    Mock::given(method("POST"))
        .and(path("/v3/auth/tokens"))
        .and(wiremock::matchers::body_json(body))
        .respond_with(token(catalog(&server, &["one"])))
        .expect(1)
        .mount(&server)
        .await;
    empty(&server, "/one/public").await;
    let provider = connect(&server, json!({}));
    for _ in 0..3 {
        assert_eq!(seen(&*networks(&provider)).await, Ok("absent".into()));
    }
    let shown = format!("{provider:?}");
    assert!(!shown.contains("s3cret") && !shown.contains("t0ken"), "{shown}");
}

#[tokio::test]
async fn a_password_names_its_project() {
    let server = MockServer::start().await;
    let body = json!({"auth": {
        "identity": {"methods": ["password"], "password": {"user": {"name": "u", "domain": {"name": "D"}}}},
        "scope": {"project": {"name": "shop", "domain": {"name": "Default"}}},
    }});
    Mock::given(method("POST"))
        .and(body_partial_json(body))
        .respond_with(token(catalog(&server, &["one"])))
        .expect(1)
        .mount(&server)
        .await;
    let config = json!({"authUrl": server.uri(), "project": "shop"});
    let user = [("username", "u"), ("password", "p4ssw0rd"), ("userDomain", "D")];
    let secret = user.map(|(name, value)| (name.to_owned(), value.into()));
    let provider = OpenstackProvider::connect(&config, &Credentials::from(secret.clone())).expect("it is good");
    assert_eq!(provider.check().await.expect("it is let in").account, "p");
    let error = OpenstackProvider::connect(&json!({"authUrl": server.uri()}), &Credentials::from(secret));
    assert!(
        error
            .expect_err("no project")
            .to_string()
            .contains("spec.openstack.projectId")
    );
}

#[tokio::test]
async fn region_and_interface_choose_the_endpoint() {
    let server = MockServer::start().await;
    keystone(&server, token(catalog(&server, &["one", "two"]))).await;
    empty(&server, "/two/internal").await;
    let provider = connect(&server, json!({"region": "two", "interface": "internal"}));
    assert_eq!(seen(&*networks(&provider)).await, Ok("absent".into()));
    for (config, words) in [
        (json!({}), "spec.openstack.region: is missing; this cloud has one, two"),
        (
            json!({"region": "three"}),
            "spec.openstack.region: `three` has no network; there is one, two",
        ),
        (
            json!({"region": "one", "interface": "admin"}),
            "spec.openstack.interface: `admin`",
        ),
    ] {
        let (kind, message) = seen(&*networks(&connect(&server, config)))
            .await
            .expect_err("it is wrong");
        assert!(kind == ErrorKind::InvalidSpec && message.contains(words), "{message}");
    }
    let databases = connect(&server, json!({"region": "one"}))
        .adapter(Kind::Rds)
        .expect("it is known");
    let (kind, message) = seen(&*databases).await.expect_err("there is no Trove");
    assert!(
        kind == ErrorKind::Unsupported && message.contains("database"),
        "{message}"
    );
}

#[tokio::test]
async fn a_token_that_is_refused_is_fetched_anew_once() {
    let server = MockServer::start().await;
    let refused = ResponseTemplate::new(401).set_body_json(json!({"error": {"code": 401, "message": "no"}}));
    keystone(&server, token(catalog(&server, &["one"]))).await;
    Mock::given(method("GET"))
        .and(path("/one/public/v2.0/networks"))
        .respond_with(refused.clone())
        .up_to_n_times(1)
        .mount(&server)
        .await;
    empty(&server, "/one/public").await;
    let provider = connect(&server, json!({}));
    assert_eq!(seen(&*networks(&provider)).await, Ok("absent".into()));

    let other = MockServer::start().await;
    keystone(&other, token(catalog(&other, &["one"]))).await;
    Mock::given(method("GET")).respond_with(refused).mount(&other).await;
    let (kind, _) = seen(&*networks(&connect(&other, json!({}))))
        .await
        .expect_err("it is refused twice");
    assert_eq!(kind, ErrorKind::Unauthenticated);
}

#[tokio::test]
async fn a_404_of_something_else_is_no_absence() {
    let server = MockServer::start().await;
    keystone(&server, token(catalog(&server, &["one"]))).await;
    empty(&server, "/one/public").await;
    let provider = connect(&server, json!({}));
    let mut known = claim();
    known.id = Some(mooring_provider::ExternalId::new("net-1"));
    let adapter = networks(&provider);
    let at = || Mock::given(method("GET")).and(path("/one/public/v2.0/networks/net-1"));
    at().respond_with(ResponseTemplate::new(404).set_body_string("<html>not found</html>"))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    let error = adapter
        .observe(std::slice::from_ref(&known))
        .await
        .pop()
        .expect("an answer");
    assert_eq!(error.expect_err("nobody knows").kind(), ErrorKind::Unexpected);
    let body = json!({"NeutronError": {"type": "NetworkNotFound", "message": "no", "detail": ""}});
    at().respond_with(ResponseTemplate::new(404).set_body_json(body))
        .mount(&server)
        .await;
    let absent = adapter.observe(&[known]).await.pop().expect("an answer");
    assert!(matches!(absent, Ok(Sighting::Absent)), "{absent:?}");
}

#[tokio::test]
async fn every_page_is_read_and_no_link_is_followed() {
    let server = MockServer::start().await;
    keystone(&server, token(catalog(&server, &["one"]))).await;
    let at = || Mock::given(method("GET")).and(path("/one/public/v2.0/networks"));
    let network =
        |id: &str, owner: &str| json!({"id": id, "name": "n", "status": "ACTIVE", "tags": [], "description": owner});
    let first = json!({
        "networks": [network("n1", "somebody's")],
        "networks_links": [{"rel": "next", "href": "http://elsewhere.invalid/v2.0/networks?marker=n1"}],
    });
    let last = json!({"networks": [network("n2", "mooring.dev k3x9q2 c team-a/shop/web/vpc")]});
    at().and(query_param_is_missing("marker"))
        .respond_with(ResponseTemplate::new(200).set_body_json(first))
        .expect(1)
        .mount(&server)
        .await;
    at().and(query_param("marker", "n1"))
        .respond_with(ResponseTemplate::new(200).set_body_json(last))
        .expect(1)
        .mount(&server)
        .await;
    empty(&server, "/one/public").await;
    let adapter = networks(&connect(&server, json!({})));
    let found = adapter.observe(&[claim()]).await.pop().expect("an answer");
    let Ok(Sighting::One(state)) = found else {
        panic!("{found:?}")
    };
    assert_eq!(adapter.id(&state).as_str(), "n2");
    assert_eq!(
        adapter.owner(&state),
        Some(claim().owner),
        "its description names it before its tags do"
    );
}

#[test]
fn what_is_wrong_is_named() {
    let with = |config: Json| OpenstackProvider::connect(&config, &credentials()).map(|_| ());
    for (config, words) in [
        (json!({}), "spec.openstack.authUrl: is missing"),
        (json!({"authUrl": "keystone"}), "spec.openstack.authUrl: `keystone`"),
        (json!({"authUrl": "http://u:p@k/v3"}), "spec.openstack.authUrl"),
        (json!({"authUrl": "http://k", "regoin": "x"}), "regoin"),
        (
            json!({"authUrl": "http://k", "endpoints": {"network": "n"}}),
            "spec.openstack.endpoints.network: `n`",
        ),
        (json!({"authUrl": "http://k", "region": " "}), "spec.openstack.region"),
        (
            json!({"authUrl": "http://k", "cloud": "x"}),
            "spec.openstack.cloud: `x`",
        ),
        (
            json!({"authUrl": "http://k", "http": {"caBundle": "none"}}),
            "spec.openstack.http.caBundle",
        ),
        (
            json!({"authUrl": "http://k", "loadBalancers": {"healthCheckInterval": "10ms"}}),
            "spec.openstack.loadBalancers.healthCheckInterval: `10ms`",
        ),
    ] {
        let error = with(config.clone()).expect_err("it is wrong");
        assert_eq!(error.kind(), ErrorKind::InvalidSpec, "{config}");
        assert!(error.to_string().contains(words), "{config}: {error}");
    }
    let none = OpenstackProvider::connect(&json!({"authUrl": "http://k"}), &Credentials::new());
    assert!(
        none.expect_err("no credentials")
            .to_string()
            .contains("applicationCredentialId")
    );
}

#[tokio::test]
async fn clouds_yaml_in_the_secret_says_it_all() {
    let server = MockServer::start().await;
    keystone(&server, token(catalog(&server, &["one", "two"]))).await;
    empty(&server, "/two/internal").await;
    let file = format!(
        "clouds:\n  idc:\n    auth_type: v3applicationcredential\n    region_name: two\n    interface: internal\n    auth:\n      auth_url: {}\n      application_credential_id: id-1\n      application_credential_secret: s3cret-value\n  lax:\n    verify: false\n    auth: {{}}\n",
        server.uri()
    );
    let secret = Credentials::from([("clouds.yaml".into(), file.into())]);
    let provider = OpenstackProvider::connect(&json!({"cloud": "idc"}), &secret).expect("it is good");
    assert_eq!(seen(&*networks(&provider)).await, Ok("absent".into()));
    for (config, words) in [
        (json!({}), "clouds.yaml has idc, lax"),
        (json!({"cloud": "other"}), "`other` is not in clouds.yaml"),
        (json!({"cloud": "lax"}), "verify: false"),
    ] {
        let error = OpenstackProvider::connect(&config, &secret)
            .expect_err("it is wrong")
            .to_string();
        assert!(error.contains(words), "{error}");
    }
}
