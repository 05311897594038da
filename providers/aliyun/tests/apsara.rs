//! Apsara Stack: what every call carries, and a scope that is proven first.

mod common;

use common::{SECRET, assert_signed_v1, header, param, received, stack};
use mooring_provider::ErrorKind;
use mooring_provider_aliyun::{Call, Nothing, Params, Product, SlsCall};
use mooring_provider_http::Method;
use serde_json::{Value as Json, json};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{any, query_param},
};

async fn server(groups: Json, answer: Json) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(query_param("Action", "ListResourceGroup"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"code": "200", "data": groups})))
        .mount(&server)
        .await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200).set_body_json(answer))
        .mount(&server)
        .await;
    server
}

fn groups() -> Json {
    json!([{"id": 10, "organizationID": 7, "resourceGroupName": "others"},
           {"id": 11, "organizationID": 7, "resourceGroupName": "shops"}])
}

fn read() -> Call {
    Call::read(Product::Vpc, "DescribeVpcs", "vpc.observe", Params::new())
}

#[tokio::test]
async fn every_call_names_its_scope_in_headers_and_query() {
    let server = server(groups(), json!({"RequestId": "R", "TotalCount": 0})).await;
    let api = stack(&server);
    for _ in 0..2 {
        api.rpc::<Nothing>(read()).await.expect("it is answered");
    }
    let requests = received(&server).await;
    assert_eq!(requests.len(), 3, "the scope is proven once");
    assert_eq!(param(&requests[0], "Action").as_deref(), Some("ListResourceGroup"));
    let request = &requests[1];
    assert_signed_v1(request, SECRET);
    for (name, value) in [
        ("Action", "DescribeVpcs"),
        ("Version", "2016-04-28"),
        ("Format", "json"),
        ("SignatureMethod", "HMAC-SHA1"),
        ("SignatureVersion", "1.0"),
        ("RegionId", "cn-stack"),
        ("Department", "7"),
        ("OrganizationId", "7"),
        ("ResourceGroup", "11"),
        ("Product", "Vpc"),
    ] {
        assert_eq!(param(request, name).as_deref(), Some(value), "{name}");
    }
    for (name, value) in [
        ("x-acs-regionid", "cn-stack"),
        ("x-acs-organizationid", "7"),
        ("x-acs-resourcegroupid", "11"),
        ("x-acs-request-version", "v1"),
        ("x-acs-asapi-product", "Vpc"),
        ("x-ascm-product-name", "Vpc"),
    ] {
        assert_eq!(header(request, name).as_deref(), Some(value), "{name}");
    }
    assert!(header(request, "authorization").is_none());
}

#[tokio::test]
async fn an_empty_list_under_an_unproven_scope_is_no_absence() {
    let twins = json!([{"id": 11, "organizationID": 7, "resourceGroupName": "shops"},
                       {"id": 12, "organizationID": 8, "resourceGroupName": "shops"}]);
    for groups in [
        json!([]),
        json!([{"id": 10, "organizationID": 7, "resourceGroupName": "others"}]),
        twins,
    ] {
        let server = server(groups, json!({"RequestId": "R", "TotalCount": 0})).await;
        let error = stack(&server)
            .rpc::<Nothing>(read())
            .await
            .expect_err("the scope is not proven");
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        assert!(error.message().contains("spec.apsara.resourceGroup"), "{error}");
        assert_eq!(received(&server).await.len(), 1, "nothing is asked under it");
    }
}

#[tokio::test]
async fn the_gateway_fails_under_status_200() {
    let failure = json!({"asapiSuccess": false, "asapiErrorCode": "NoPermission", "asapiErrorMessage": "not you",
                         "eagleEyeTraceId": "T-1"});
    let server = server(groups(), failure).await;
    let error = stack(&server).rpc::<Nothing>(read()).await.expect_err("it failed");
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::PermissionDenied, Some("NoPermission"))
    );
    assert_eq!(error.request_id(), Some("T-1"));
}

#[tokio::test]
async fn the_log_service_is_signed_the_old_way() {
    let server = server(groups(), json!({"projectName": "p"})).await;
    let call = SlsCall::new("GetProject", "log.observe", Method::GET, "/").project("p");
    stack(&server).sls::<Json>(call).await.expect("it is answered");
    let requests = received(&server).await;
    let authorization = header(&requests[1], "authorization").expect("it is signed");
    let headers = common::headers(&requests[1]);
    let parts = mooring_provider_aliyun::signature::Parts {
        method: "GET",
        path: "/",
        query: &[],
        headers: &headers,
    };
    let variant = mooring_provider_aliyun::signature::sls::Variant::Sha1;
    let again = mooring_provider_aliyun::signature::sls::v1::authorization(&parts, variant, common::ID, SECRET);
    assert_eq!(authorization, again);
}
