//! A small client of RPC V1, whose requests tests can spoil.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use mooring_simulator_aliyun::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, Handle, Options, Simulator};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value as Json, json};
use sha1::Sha1;

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What came back: the status, the body, and what `x-acs-retry-after` said.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Json,
    pub(crate) retry_after: Option<String>,
}

impl Reply {
    /// The error's code, or nothing when it went well.
    pub(crate) fn code(&self) -> &str {
        assert_eq!(self.status == 200, self.body["Code"].is_null(), "{self:?}");
        self.body["Code"].as_str().unwrap_or_default()
    }
}

pub(crate) async fn start(change: impl FnOnce(&mut Options)) -> Handle {
    let mut options = Options::default();
    change(&mut options);
    Simulator::start(options).await.expect("a free port")
}

fn pct(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// The parameters of a call, which `spoil` may change before they are signed.
pub(crate) fn signed(method: &str, params: &[(&str, &str)], secret: &str) -> String {
    let mut pairs: Vec<_> = params
        .iter()
        .map(|(name, value)| format!("{}={}", pct(name), pct(value)))
        .collect();
    pairs.sort();
    let query = pairs.join("&");
    let mut mac = Hmac::<Sha1>::new_from_slice(format!("{secret}&").as_bytes()).expect("any length");
    mac.update(format!("{method}&%2F&{}", pct(&query)).as_bytes());
    format!(
        "{query}&Signature={}",
        pct(&STANDARD.encode(mac.finalize().into_bytes()))
    )
}

/// What every call carries.
pub(crate) fn common(nonce: &str) -> Vec<(String, String)> {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    [
        ("Format", "json"),
        ("Timestamp", &now),
        ("SignatureNonce", nonce),
        ("SignatureMethod", "HMAC-SHA1"),
        ("SignatureVersion", "1.0"),
        ("AccessKeyId", ACCESS_KEY_ID),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// Sends a query; `None` when no answer came.
pub(crate) async fn send(cloud: &Handle, query: &str) -> Option<Reply> {
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(20))
        .build()
        .expect("a client");
    let reply = client.post(format!("{}/?{query}", cloud.url())).send().await.ok()?;
    let status = reply.status().as_u16();
    let retry_after = reply
        .headers()
        .get("x-acs-retry-after")
        .map(|value| value.to_str().expect("text").to_owned());
    let body = serde_json::from_slice(&reply.bytes().await.ok()?).expect("the answer is JSON");
    Some(Reply {
        status,
        body,
        retry_after,
    })
}

/// The version of each product that tests call.
fn version(product: &str) -> &'static str {
    match product {
        "Vpc" => "2016-04-28",
        "Rds" => "2014-08-15",
        "Slb" => "2014-05-15",
        "Sts" => "2015-04-01",
        "Ascm" => "2019-05-10",
        _ => unreachable!("{product}"),
    }
}

/// A call that may be lost.
pub(crate) async fn attempt(cloud: &Handle, product: &str, action: &str, params: &[(&str, &str)]) -> Option<Reply> {
    let nonce = format!("{:032x}", rand::random::<u128>());
    let common = common(&nonce);
    let mut all: Vec<_> = common
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    all.extend([("Action", action), ("Version", version(product))]);
    all.extend(params);
    send(cloud, &signed("POST", &all, ACCESS_KEY_SECRET)).await
}

/// A call that is answered.
pub(crate) async fn call(cloud: &Handle, product: &str, action: &str, params: &[(&str, &str)]) -> Reply {
    attempt(cloud, product, action, params).await.expect("it is answered")
}

/// Makes a VPC by this client token.
pub(crate) async fn make(cloud: &Handle, token: &str) -> Option<Reply> {
    attempt(
        cloud,
        "Vpc",
        "CreateVpc",
        &[("RegionId", "cn-hangzhou"), ("ClientToken", token)],
    )
    .await
}

/// How many VPCs the API shows, besides the one from the start.
pub(crate) async fn shown(cloud: &Handle) -> u64 {
    let reply = call(cloud, "Vpc", "DescribeVpcs", &[("RegionId", "cn-hangzhou")]).await;
    reply.body["TotalCount"].as_u64().expect("a number") - 1
}

/// Makes a database instance of its own.
pub(crate) fn database(cloud: &Handle) -> String {
    let params = json!({
        "RegionId": "cn-hangzhou", "Engine": "MySQL", "EngineVersion": "8.0", "DBInstanceClass": "mysql.n2.medium.1",
        "DBInstanceStorage": 20, "DBInstanceNetType": "Intranet", "InstanceNetworkType": "VPC", "PayType": "Postpaid",
        "SecurityIPList": "127.0.0.1", "VPCId": "vpc-shared", "VSwitchId": "vsw-shared-1", "ZoneId": "cn-hangzhou-h",
    });
    let made = cloud.act("Rds", "CreateDBInstance", params).expect("it is made");
    made["DBInstanceId"].as_str().expect("an id").to_owned()
}
