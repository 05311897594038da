//! Sessions of roles: begun once for all who need one, and anew when they were refused.

mod common;

use common::{answering, config, header, param, received, secret, user};
use mooring_provider::ErrorKind;
use mooring_provider_aliyun::{AliyunConfig, Api, Call, Nothing, Params, Product};
use serde_json::json;
use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{any, header as has, query_param},
};

fn session(id: &str) -> ResponseTemplate {
    let keys = json!({"AccessKeyId": id, "AccessKeySecret": "of the session", "SecurityToken": "tick/et",
                      "Expiration": "2040-01-01T00:00:00Z"});
    ResponseTemplate::new(200).set_body_json(json!({"RequestId": "R", "Credentials": keys}))
}

fn ok() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"RequestId": "R"}))
}

fn read() -> Call {
    Call::read(Product::Vpc, "DescribeVpcs", "vpc.observe", Params::new())
}

fn of<'a>(requests: &'a [Request], action: &str) -> Vec<&'a Request> {
    let is = |request: &&Request| {
        header(request, "x-acs-action").as_deref() == Some(action)
            || param(request, "Action").as_deref() == Some(action)
    };
    requests.iter().filter(is).collect()
}

#[tokio::test]
async fn a_role_is_assumed_once_for_all() {
    let server = MockServer::start().await;
    Mock::given(has("x-acs-action", "AssumeRole"))
        .respond_with(session("STS.1"))
        .mount(&server)
        .await;
    Mock::given(any()).respond_with(ok()).mount(&server).await;
    let mut config = config(&server);
    config["assumeRole"] = json!({"arn": "acs:ram::1:role/mooring", "externalId": "x"});
    let config = AliyunConfig::read(&config).expect("it is good");
    let api = Api::public(&config, &user()).expect("it is good");
    let calls = (0..20).map(|_| api.rpc::<Nothing>(read()));
    for reply in futures::future::join_all(calls).await {
        reply.expect("it is answered");
    }
    let requests = received(&server).await;
    let assumed = of(&requests, "AssumeRole");
    assert_eq!(assumed.len(), 1);
    common::assert_signed(assumed[0], common::SECRET);
    assert_eq!(param(assumed[0], "ExternalId").as_deref(), Some("x"));
    let reads = of(&requests, "DescribeVpcs");
    assert_eq!(reads.len(), 20);
    for request in reads {
        common::assert_signed(request, "of the session");
        assert_eq!(header(request, "x-acs-security-token").as_deref(), Some("tick/et"));
    }
}

#[tokio::test]
async fn a_refused_session_is_begun_anew() {
    let server = MockServer::start().await;
    Mock::given(has("x-acs-action", "AssumeRole"))
        .respond_with(session("STS.1"))
        .mount(&server)
        .await;
    let expired = json!({"Code": "InvalidSecurityToken.Expired", "Message": "it is"});
    Mock::given(any())
        .respond_with(ResponseTemplate::new(400).set_body_json(expired))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    Mock::given(any()).respond_with(ok()).mount(&server).await;
    let mut config = config(&server);
    config["assumeRole"] = json!({"arn": "acs:ram::1:role/mooring"});
    let api = Api::public(&AliyunConfig::read(&config).expect("it is good"), &user()).expect("it is good");
    let error = api.rpc::<Nothing>(read()).await.expect_err("the session was refused");
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    api.rpc::<Nothing>(read()).await.expect("there is another session");
    assert_eq!(of(&received(&server).await, "AssumeRole").len(), 2);
}

#[tokio::test]
async fn a_service_account_speaks_with_the_token_of_the_day() {
    let server = MockServer::start().await;
    Mock::given(query_param("Action", "AssumeRoleWithOIDC"))
        .respond_with(session("STS.2"))
        .mount(&server)
        .await;
    let refused = json!({"Code": "InvalidSecurityToken.Expired"});
    Mock::given(any())
        .respond_with(ResponseTemplate::new(400).set_body_json(refused))
        .mount(&server)
        .await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    let mut config = config(&server);
    config["oidc"] = json!({"roleArn": "acs:ram::1:role/r", "providerArn": "acs:ram::1:oidc-provider/p",
                            "tokenFile": file});
    let api = Api::public(&AliyunConfig::read(&config).expect("it is good"), &secret(&[])).expect("it is good");
    let error = api.rpc::<Nothing>(read()).await.expect_err("there is no token yet");
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    for token in ["monday", "tuesday"] {
        std::fs::write(&file, format!("{token}\n")).expect("it is written");
        api.rpc::<Nothing>(read()).await.expect_err("the session is refused");
    }
    let requests = received(&server).await;
    let tokens: Vec<_> = of(&requests, "AssumeRoleWithOIDC")
        .iter()
        .map(|request| param(request, "OIDCToken"))
        .collect();
    assert_eq!(tokens, [Some("monday".into()), Some("tuesday".into())]);
    let first = of(&requests, "AssumeRoleWithOIDC")[0].clone();
    assert!(param(&first, "Signature").is_none() && header(&first, "authorization").is_none());
}

#[tokio::test]
async fn a_role_that_is_not_there_is_no_absence() {
    let missing = json!({"Code": "EntityNotExist.Role", "Message": "The role not exists."});
    let server = answering(ResponseTemplate::new(404).set_body_json(missing)).await;
    let mut config = config(&server);
    config["assumeRole"] = json!({"arn": "acs:ram::1:role/mooring"});
    let api = Api::public(&AliyunConfig::read(&config).expect("it is good"), &user()).expect("it is good");
    let error = api.rpc::<Nothing>(read()).await.expect_err("there is no such role");
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
}
