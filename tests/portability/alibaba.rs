//! Alibaba Cloud, whose part the simulator plays.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use mooring_simulator_aliyun::{
    ACCESS_KEY_ID, ACCESS_KEY_SECRET, ACCOUNT, Handle, Kind, Options, Resource, SHARED_VPC, SHARED_VSWITCHES, Simulator,
};
use serde_json::json;

use crate::{
    place::{Got, Place, documents},
    shop::Backends,
    workplace::Workplace,
};

/// The kinds of what an application may have there.
const KINDS: [Kind; 9] = [
    Kind::Vpc,
    Kind::VSwitch,
    Kind::SecurityGroup,
    Kind::Clb,
    Kind::Nlb,
    Kind::Db,
    Kind::Project,
    Kind::Logstore,
    Kind::Rule,
];

/// The cloud.
pub(crate) struct Alibaba(Handle);

impl Alibaba {
    /// Starts one in which both processes of the application have network interfaces.
    pub(crate) async fn start(backends: Arc<Backends>) -> Self {
        let options = Options {
            provisioning: Duration::from_millis(300),
            ..Options::default()
        };
        let cloud = Simulator::start(options).await.expect("the simulator starts");
        for (action, params) in [
            ("PutContact", json!({"ContactName": "me", "Describe": "somebody"})),
            (
                "PutContactGroup",
                json!({"ContactGroupName": "shop", "ContactNames": ["me"]}),
            ),
        ] {
            let params = serde_json::from_value(params).expect("parameters");
            cloud.act("Cms", action, params).expect("an SRE may");
        }
        for (number, address) in backends.addresses.iter().enumerate() {
            let attrs = json!({
                "Type": "Secondary", "VpcId": SHARED_VPC, "VSwitchId": SHARED_VSWITCHES[0],
                "PrivateIpAddress": address.ip().to_string(),
            });
            cloud.insert(Resource {
                kind: Kind::NetworkInterface,
                id: format!("eni-{number}"),
                name: format!("eni-{number}"),
                parent: Some(SHARED_VSWITCHES[0].to_owned()),
                account: ACCOUNT.into(),
                created: cloud.now(),
                visible_from: 0,
                busy: None,
                gone_at: None,
                tags: Default::default(),
                attrs: serde_json::from_value(attrs).expect("an object"),
                rows: Vec::new(),
            });
        }
        Self(cloud)
    }
}

#[async_trait]
impl Place for Alibaba {
    fn environment(&self) -> &'static str {
        "hangzhou"
    }

    fn documents(&self) -> String {
        let zones = ["cn-hangzhou-h", "cn-hangzhou-i"];
        let subnets = [0, 1].map(|n| json!({"zone": zones[n], "id": SHARED_VSWITCHES[n]}));
        documents(&[
            json!({
                "apiVersion": "mooring.dev/v1alpha1", "kind": "ProviderConfig", "metadata": {"name": "aliyun"},
                "spec": {
                    "aliyun": {
                        "region": "cn-hangzhou", "endpoints": {"default": self.0.url()},
                        "log": {"machineGroup": "k8s-group-c1"},
                    },
                    "credentials": {"secretRef": {"name": "aliyun"}},
                },
            }),
            json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "aliyun", "namespace": "mooring-system"},
                "stringData": {"accessKeyId": ACCESS_KEY_ID, "accessKeySecret": ACCESS_KEY_SECRET},
            }),
            json!({
                "apiVersion": "mooring.dev/v1alpha1", "kind": "Environment", "metadata": {"name": "hangzhou"},
                "spec": {
                    "providers": {"default": "aliyun"},
                    "network": {
                        "id": SHARED_VPC, "subnets": subnets, "clients": {"cidrs": ["10.8.0.0/16"]}, "backends": "pods",
                    },
                    "sizes": {"rds": {"small": {"aliyun": "mysql.n2.medium.1"}}},
                    "notify": {"default": {"contactGroup": "shop"}},
                    "allowedNamespaces": {},
                },
            }),
        ])
    }

    fn differences(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    fn refusals(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    async fn is_used(&self, _: &Workplace, got: &Got, _: &Backends) -> Vec<sqlx::MySqlConnection> {
        for variables in [&got.web, &got.report] {
            let (user, password) = (&variables["DB_USERNAME"], &variables["DB_PASSWORD"]);
            assert!(self.0.login(&got.ids["rds"], user, password), "{user}");
            assert!(!self.0.login(&got.ids["rds"], user, "another"), "{user}");
        }
        Vec::new()
    }

    async fn is_empty(&self, _: &Workplace, _: &Got) {
        let all = KINDS.into_iter().flat_map(|kind| self.0.list(kind));
        let left: Vec<_> = all
            .map(|resource| resource.id)
            .filter(|id| !id.contains("shared"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}
