//! Who calls wrongly is told so.

use crate::common::{call, common, send, signed, start};
use mooring_simulator_aliyun::ACCESS_KEY_SECRET;

const REGION: (&str, &str) = ("RegionId", "cn-hangzhou");

/// Changes the parameters of a call before they are signed.
type Spoil<'a> = &'a dyn Fn(&mut Vec<(String, String)>);

#[tokio::test]
async fn signatures_dates_and_nonces() {
    let cloud = start(|_| {}).await;
    let describe = async |spoil: Spoil<'_>, secret: &str| {
        let mut all = common("a-nonce");
        all.extend(
            [("Action", "DescribeVpcs"), ("Version", "2016-04-28"), REGION]
                .map(|(name, value)| (name.into(), value.into())),
        );
        spoil(&mut all);
        let all: Vec<_> = all
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let reply = send(&cloud, &signed("POST", &all, secret)).await.expect("an answer");
        (reply.status, reply.code().to_owned())
    };
    let set = |name: &'static str, value: &'static str| {
        move |all: &mut Vec<(String, String)>| {
            all.retain(|(is, _)| is != name);
            all.push((name.into(), value.into()));
        }
    };
    let refused = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(describe(&|_| {}, "wrong").await, refused(400, "SignatureDoesNotMatch"));
    let unknown = set("AccessKeyId", "nobody");
    assert_eq!(
        describe(&unknown, ACCESS_KEY_SECRET).await,
        refused(404, "InvalidAccessKeyId.NotFound")
    );
    let old = set("Timestamp", "2024-05-06T07:08:09Z");
    assert_eq!(
        describe(&old, ACCESS_KEY_SECRET).await,
        refused(400, "InvalidTimeStamp.Expired")
    );
    let malformed = set("Timestamp", "yesterday");
    assert_eq!(
        describe(&malformed, ACCESS_KEY_SECRET).await,
        refused(400, "InvalidTimeStamp.Format")
    );
    let token = set("SecurityToken", "of nobody");
    assert_eq!(
        describe(&token, ACCESS_KEY_SECRET).await,
        refused(400, "InvalidSecurityToken.MismatchWithAccessKey")
    );
    assert_eq!(describe(&|_| {}, ACCESS_KEY_SECRET).await, refused(200, ""));
    assert_eq!(
        describe(&|_| {}, ACCESS_KEY_SECRET).await,
        refused(400, "SignatureNonceUsed")
    );
    let version = set("Version", "1999-01-01");
    assert_eq!(
        describe(&version, ACCESS_KEY_SECRET).await,
        refused(404, "InvalidVersion")
    );
    let reply = send(&cloud, "Action=DescribeVpcs&Version=2016-04-28")
        .await
        .expect("an answer");
    assert_eq!(reply.code(), "IncompleteSignature");
}

#[tokio::test]
async fn parameters_by_the_contract() {
    let cloud = start(|_| {}).await;
    for (params, code) in [
        (&[REGION, ("Colour", "red")][..], "InvalidParameter.Unknown"),
        (&[REGION, ("PageSize", "many")], "InvalidParameter"),
        (&[REGION, ("PageSize", "51")], "InvalidParameter"),
        (&[REGION, ("Tag.0.Key", "zero")], "InvalidParameter"),
        (&[REGION, ("Tag.2.Key", "a hole")], "InvalidParameter"),
        (&[REGION, ("Tag.1.Colour", "red")], "InvalidParameter"),
        (&[REGION, ("IsDefault", "perhaps")], "InvalidParameter"),
        (&[], "MissingParameter"),
        (&[("RegionId", "cn-nowhere")], "InvalidRegionId.NotFound"),
        (&[REGION, ("IsDefault", "True"), ("Tag.1.Key", "owner")], ""),
    ] {
        let reply = call(&cloud, "Vpc", "DescribeVpcs", params).await;
        assert_eq!(reply.code(), code, "{params:?}: {reply:?}");
    }
    assert_eq!(
        call(&cloud, "Vpc", "DescribeNothing", &[]).await.code(),
        "InvalidAction.NotFound"
    );
}

#[tokio::test]
async fn temporary_credentials_end() {
    let cloud = start(|_| {}).await;
    let role = [
        ("RoleArn", "acs:ram::1234567890123456:role/mooring"),
        ("RoleSessionName", "tests"),
    ];
    let given = call(&cloud, "Sts", "AssumeRole", &role).await.body["Credentials"].clone();
    let text = |name: &str| given[name].as_str().expect("text").to_owned();
    let (key, secret, token) = (text("AccessKeyId"), text("AccessKeySecret"), text("SecurityToken"));
    let identity = async |nonce: &str| {
        let mut all = common(nonce);
        all.retain(|(name, _)| name != "AccessKeyId");
        let mut all: Vec<_> = all
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        all.extend([("AccessKeyId", key.as_str()), ("SecurityToken", &token)]);
        all.extend([("Action", "GetCallerIdentity"), ("Version", "2015-04-01")]);
        send(&cloud, &signed("POST", &all, &secret)).await.expect("an answer")
    };
    assert_eq!(identity("one").await.body["IdentityType"], "AssumedRoleUser");
    cloud.expire_sessions();
    assert_eq!(identity("two").await.code(), "InvalidSecurityToken.Expired");
}
