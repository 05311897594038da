//! The client against a server that says odd things.

mod common;

use std::time::Duration;

use common::{ID, SECRET, answering, api, assert_signed, header, param, params, received, secret, user};
use mooring_provider::{Error, ErrorKind, Retry};
use mooring_provider_aliyun::{AliyunConfig, Api, Call, Nothing, Params, Product, SlsCall, is_not_found, register};
use mooring_provider_http::Method;
use serde_json::{Value as Json, json};
use wiremock::ResponseTemplate;

fn ok() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"RequestId": "R-1", "AccountId": "1234"}))
}

fn read() -> Call {
    let params = Params::new().set("PageSize", 50).set("VpcName", "绑定 é+&=");
    Call::read(Product::Vpc, "DescribeVpcs", "vpc.observe", params)
}

fn write() -> Call {
    let params = Params::new().set("VpcId", "vpc-1");
    Call::write(Product::Vpc, "DeleteVpc", "vpc.delete", params)
}

async fn error_of(answer: ResponseTemplate, call: Call) -> Error {
    let server = answering(answer).await;
    api(&server).rpc::<Json>(call).await.expect_err("it is an error")
}

#[tokio::test]
async fn a_request_is_what_the_cloud_expects() {
    let server = answering(ok()).await;
    let reply = api(&server).rpc::<Json>(read()).await.expect("it is answered");
    assert_eq!(reply.request_id.as_deref(), Some("R-1"));
    let requests = received(&server).await;
    let request = &requests[0];
    assert_signed(request, SECRET);
    assert_eq!((request.method.as_str(), request.url.path()), ("POST", "/"));
    let query = [
        ("PageSize", "50"),
        ("RegionId", "cn-hangzhou"),
        ("VpcName", "绑定 é+&="),
    ];
    assert_eq!(
        params(request),
        query.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
    assert_eq!(header(request, "x-acs-action").as_deref(), Some("DescribeVpcs"));
    assert_eq!(header(request, "x-acs-version").as_deref(), Some("2016-04-28"));
    assert!(header(request, "authorization").is_some_and(|value| value.contains(&format!("Credential={ID},"))));
    assert!(request.body.is_empty() && header(request, "content-type").is_none());
    assert!(header(request, "x-acs-security-token").is_none());
}

#[tokio::test]
async fn what_belongs_into_the_body_is_a_form() {
    let server = answering(ok()).await;
    let params = Params::new()
        .set("AddressType", "Intranet")
        .set("VpcId", "vpc-1")
        .member("ZoneMappings", 1, [("ZoneId", "a"), ("VSwitchId", "vsw a")])
        .tags([("mooring.dev/identity", "i")]);
    let call = Call::write(Product::Nlb, "CreateLoadBalancer", "slb.create", params);
    api(&server).rpc::<Nothing>(call).await.expect("it is answered");
    let requests = received(&server).await;
    assert_signed(&requests[0], SECRET);
    assert_eq!(requests[0].url.query(), None);
    assert_eq!(
        header(&requests[0], "content-type").as_deref(),
        Some("application/x-www-form-urlencoded")
    );
    assert_eq!(
        param(&requests[0], "ZoneMappings.1.VSwitchId").as_deref(),
        Some("vsw a")
    );
    assert_eq!(
        param(&requests[0], "Tag.1.Key").as_deref(),
        Some("mooring.dev/identity")
    );
}

#[tokio::test]
async fn what_the_contract_does_not_know_is_not_sent() {
    let server = answering(ok()).await;
    for params in [
        Params::new().set("VpcID", "x"),
        Params::new(),
        Params::new().set("VpcId", "x").set("DryRun", "no"),
    ] {
        let call = Call::write(Product::Vpc, "DeleteVpc", "vpc.delete", params);
        let error = api(&server)
            .rpc::<Nothing>(call)
            .await
            .expect_err("the contract knows better");
        assert!(error.message().contains("a bug of Mooring"), "{error}");
    }
    assert!(received(&server).await.is_empty());
}

#[tokio::test]
async fn a_session_carries_its_token() {
    let server = answering(ok()).await;
    let config = AliyunConfig::read(&common::config(&server)).expect("it is good");
    let session = secret(&[
        ("accessKeyId", ID),
        ("accessKeySecret", SECRET),
        ("securityToken", "CAIS/+="),
    ]);
    let api = Api::public(&config, &session).expect("it is good");
    api.rpc::<Nothing>(read()).await.expect("it is answered");
    let requests = received(&server).await;
    assert_signed(&requests[0], SECRET);
    assert_eq!(header(&requests[0], "x-acs-security-token").as_deref(), Some("CAIS/+="));
    assert_eq!(header(&requests[0], "x-acs-accesskey-id").as_deref(), Some(ID));
}

#[tokio::test]
async fn odd_answers_are_never_an_absence() {
    let json = |status, body: Json| ResponseTemplate::new(status).set_body_json(body);
    let raw =
        |status, body: &str| ResponseTemplate::new(status).set_body_raw(body.as_bytes(), "text/xml;charset=utf-8");
    let xml = "<?xml version='1.0'?><Error><RequestId>R-7</RequestId><Code>InvalidAccessKeyId.NotFound</Code>\
               <Message>Specified access key is not found.</Message></Error>";
    for (answer, kind, code) in [
        (
            json(404, json!({"Code": "InvalidAccessKeyId.NotFound"})),
            ErrorKind::Unauthenticated,
            Some("InvalidAccessKeyId.NotFound"),
        ),
        (
            raw(404, xml),
            ErrorKind::Unauthenticated,
            Some("InvalidAccessKeyId.NotFound"),
        ),
        (
            raw(200, "{\"RequestId\": \"R\", \"Vpcs\": {\"Vp"),
            ErrorKind::Unexpected,
            None,
        ),
        (raw(200, ""), ErrorKind::Unexpected, None),
        (raw(200, "<html>log in</html>"), ErrorKind::Unexpected, None),
        (raw(200, "[]"), ErrorKind::Unexpected, None),
        (raw(404, "not here"), ErrorKind::Unexpected, None),
        (raw(403, "<html>no</html>"), ErrorKind::PermissionDenied, None),
        (raw(502, "<html>bad gateway</html>"), ErrorKind::Unavailable, None),
        (raw(429, ""), ErrorKind::Throttled, None),
        (
            json(400, json!({"Code": "SomethingNew", "Message": "?"})),
            ErrorKind::Unexpected,
            Some("SomethingNew"),
        ),
        (
            json(200, json!({"Success": false, "Code": "Forbidden.RAM"})),
            ErrorKind::PermissionDenied,
            Some("Forbidden.RAM"),
        ),
        (
            json(403, json!({"code": "Forbidden.RAM", "message": "no"})),
            ErrorKind::PermissionDenied,
            Some("Forbidden.RAM"),
        ),
        (
            raw(200, &format!("\"{}\"", "x".repeat(17 << 20))),
            ErrorKind::Unexpected,
            None,
        ),
        (
            json(200, json!({})).set_delay(Duration::from_secs(30)),
            ErrorKind::Unavailable,
            None,
        ),
        (
            ResponseTemplate::new(302).insert_header("location", "https://elsewhere/?token=x"),
            ErrorKind::Unexpected,
            None,
        ),
    ] {
        let error = error_of(answer, write()).await;
        assert_eq!((error.kind(), error.code()), (kind, code), "{error}");
        assert!(!is_not_found(Product::Vpc, &error));
        assert!(!error.to_string().contains("token=x"));
    }
}

#[tokio::test]
async fn an_error_names_its_request_and_its_time() {
    let body = json!({"Code": "Throttling.User", "Message": "Request was denied", "RequestId": "R-9"});
    let answer = ResponseTemplate::new(400)
        .set_body_json(body)
        .insert_header("x-acs-retry-after", "1500");
    let error = error_of(answer, read()).await;
    assert_eq!((error.kind(), error.request_id()), (ErrorKind::Throttled, Some("R-9")));
    assert_eq!(error.retry(), Retry::After(Duration::from_millis(1500)));
    let body = json!({"Code": "InvalidVpcID.NotFound", "Message": "There is none", "RequestId": "R-9"});
    let error = error_of(ResponseTemplate::new(404).set_body_json(body), read()).await;
    assert!(is_not_found(Product::Vpc, &error) && !is_not_found(Product::Rds, &error));
}

#[tokio::test]
async fn only_what_may_be_repeated_is_repeated() {
    for (call, times) in [(read(), 3), (write(), 1), (write().idempotent(), 3)] {
        let server = answering(ResponseTemplate::new(503)).await;
        let error = api(&server).rpc::<Nothing>(call).await.expect_err("it is unavailable");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let requests = received(&server).await;
        assert_eq!(requests.len(), times);
        let mut nonces: Vec<_> = requests
            .iter()
            .map(|request| header(request, "x-acs-signature-nonce"))
            .collect();
        nonces.sort_unstable();
        nonces.dedup();
        assert_eq!(nonces.len(), times, "each has a nonce of its own");
    }
}

#[tokio::test]
async fn nothing_secret_is_said() {
    let password = "p4ss w/ord+1";
    let encoded = "p4ss%20w%2Ford%2B1";
    let twice = encoded.replace('%', "%25");
    for (code, message) in [
        (
            "InvalidParameter",
            format!("AccountPassword {password} is wrong, as is {encoded}"),
        ),
        (
            "SignatureDoesNotMatch",
            format!("server string to sign is:POST&%2F&AccountPassword%3D{twice}"),
        ),
        ("InternalError", format!("secret {SECRET}; again {twice}")),
    ] {
        let params = Params::new()
            .set("DBInstanceId", "rm-1")
            .set("AccountName", "shop")
            .secret("AccountPassword", &password.into());
        let call = Call::write(Product::Rds, "CreateAccount", "rds.account", params);
        assert!(!format!("{call:?}").contains("p4ss"));
        let error = error_of(
            ResponseTemplate::new(400).set_body_json(json!({"Code": code, "Message": message})),
            call,
        )
        .await;
        let said = format!("{error} {error:?}");
        for hidden in [password, encoded, twice.as_str(), SECRET] {
            assert!(!said.contains(hidden), "{said}");
        }
    }
    let server = answering(ok()).await;
    assert!(!format!("{:?}", api(&server)).contains("secret/of"));
}

#[tokio::test]
async fn the_log_service_has_a_host_for_each_project() {
    let empty = ResponseTemplate::new(200).insert_header("x-log-requestid", "L-1");
    let server = answering(empty).await;
    let call = SlsCall::new("CreateLogStore", "log.create", Method::POST, "/logstores")
        .project("shop-logs")
        .body(json!({"logstoreName": "web", "ttl": 30, "shardCount": 2}));
    let reply = api(&server)
        .sls::<Nothing>(call.clone())
        .await
        .expect("an empty answer is a good one");
    assert_eq!(reply.request_id.as_deref(), Some("L-1"));
    assert!(
        api(&server).sls::<common_types::Project>(call).await.is_err(),
        "an empty answer is no project"
    );
    let requests = received(&server).await;
    let host = header(&requests[0], "host").expect("there is one");
    assert!(host.starts_with("shop-logs.127.0.0.1:"), "{host}");
    let authorization = header(&requests[0], "authorization").expect("it is signed");
    assert!(
        authorization.starts_with("SLS4-HMAC-SHA256 Credential=LTAI-test/"),
        "{authorization}"
    );
    let (headers, query) = (common::headers(&requests[0]), Vec::new());
    let parts = mooring_provider_aliyun::signature::Parts {
        method: "POST",
        path: "/logstores",
        query: &query,
        headers: &headers,
    };
    let again = mooring_provider_aliyun::signature::sls::v4::authorization(&parts, "cn-hangzhou", ID, SECRET);
    assert_eq!(authorization, again);
}

mod common_types {
    #[derive(Debug, serde::Deserialize)]
    pub(crate) struct Project {
        #[expect(dead_code, reason = "it is only read")]
        pub(crate) name: String,
    }
}

#[tokio::test]
async fn the_log_service_has_errors_of_its_own() {
    for (status, code, kind, gone) in [
        (404, "ProjectNotExist", ErrorKind::Busy, true),
        (404, "LogStoreNotExist", ErrorKind::Busy, true),
        (401, "SignatureNotMatch", ErrorKind::Unauthenticated, false),
        (403, "Unauthorized", ErrorKind::Unauthenticated, false),
        (400, "ProjectQuotaExceed", ErrorKind::QuotaExceeded, false),
        (500, "InternalServerError", ErrorKind::Unavailable, false),
    ] {
        let answer = ResponseTemplate::new(status)
            .set_body_json(json!({"errorCode": code, "errorMessage": "so it is"}))
            .insert_header("x-log-requestid", "L-2");
        let server = answering(answer).await;
        let call = SlsCall::new("GetProject", "log.observe", Method::GET, "/").project("shop-logs");
        let error = api(&server).sls::<Json>(call).await.expect_err("it is one");
        assert_eq!(
            (error.kind(), error.code(), error.request_id()),
            (kind, Some(code), Some("L-2"))
        );
        assert_eq!(is_not_found(Product::Sls, &error), gone);
    }
}

#[tokio::test]
async fn check_tells_whose_keys_they_are() {
    let server = answering(ok()).await;
    let provider = (register().connect)(&common::config(&server), user()).expect("it is good");
    let info = provider.check().await.expect("they are somebody's");
    assert_eq!(
        (info.account.as_str(), info.region.as_deref()),
        ("1234", Some("cn-hangzhou"))
    );
}

#[test]
fn a_bad_configuration_is_named_by_its_field() {
    let connect = register().connect;
    let keys = || user();
    for (config, credentials, word) in [
        (json!({"region": "Hangzhou"}), keys(), "spec.aliyun.region: `Hangzhou`"),
        (
            json!({"region": "cn-hangzhou", "endpoint": "x"}),
            keys(),
            "spec.aliyun: unknown field `endpoint`",
        ),
        (
            json!({"region": "cn-hangzhou", "endpoints": {"oss": "x"}}),
            keys(),
            "spec.aliyun.endpoints: `oss`",
        ),
        (
            json!({"region": "cn-hangzhou", "endpoints": {"rds": "ftp://x"}}),
            keys(),
            "spec.aliyun.endpoints.rds",
        ),
        (
            json!({"region": "cn-hangzhou", "assumeRole": {"arn": "mooring"}}),
            keys(),
            "spec.aliyun.assumeRole.arn",
        ),
        (
            json!({"region": "cn-hangzhou", "http": {"caBundle": "x"}}),
            keys(),
            "caBundle",
        ),
        (
            json!({"region": "cn-hangzhou"}),
            secret(&[("accessKeyId", "x")]),
            "accessKeySecret",
        ),
        (
            json!({"region": "cn-hangzhou", "oidc": {}, "profile": ""}),
            secret(&[]),
            "keep one of them",
        ),
    ] {
        let said = connect(&config, credentials).expect_err("it is bad").to_string();
        assert!(said.contains(word), "{said}");
    }
}
