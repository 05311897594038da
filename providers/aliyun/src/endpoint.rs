//! Where each product is reached.

use std::collections::BTreeMap;

use mooring_provider::Result;
use mooring_provider_http::Url;

use crate::{
    apsara::ApsaraConfig,
    config::{AliyunConfig, EndpointNetwork, Scheme, base, invalid},
    product::Product,
};

/// The regions whose databases and classic balancers are behind one host for all of them.
const CENTRAL: [&str; 10] = [
    "cn-qingdao",
    "cn-beijing",
    "cn-hangzhou",
    "cn-shanghai",
    "cn-shenzhen",
    "cn-hongkong",
    "ap-southeast-1",
    "us-east-1",
    "us-west-1",
    "cn-north-2-gov-1",
];

/// Where each product is reached.
#[derive(Debug, Clone)]
pub(crate) struct Endpoints {
    region: String,
    overrides: BTreeMap<String, String>,
    scheme: Scheme,
    rule: Rule,
}

#[derive(Debug, Clone)]
enum Rule {
    /// The public cloud.
    Public(EndpointNetwork),
    /// Hosts of an Apsara Stack, under a domain.
    Domain { domain: String, center: bool },
    /// One gateway of an Apsara Stack, and a domain for what does not go through it.
    Gateway { gateway: String, domain: Option<String> },
    /// Every host is named.
    Named,
}

impl Endpoints {
    pub(crate) fn public(config: &AliyunConfig) -> Self {
        Self {
            region: config.region.clone(),
            overrides: config.endpoints.clone(),
            scheme: config.scheme,
            rule: Rule::Public(config.network),
        }
    }

    pub(crate) fn apsara(config: &ApsaraConfig) -> Self {
        let domain = config.domain.clone();
        Self {
            region: config.region.clone(),
            overrides: config.endpoints.clone(),
            scheme: config.scheme,
            rule: match (&config.gateway, domain) {
                (Some(gateway), domain) => Rule::Gateway {
                    gateway: gateway.clone(),
                    domain,
                },
                (None, Some(domain)) => Rule::Domain {
                    domain,
                    center: config.center,
                },
                (None, None) => Rule::Named,
            },
        }
    }

    /// Where a product is reached. The path is that of a gateway, or `/`.
    pub(crate) fn of(&self, product: Product) -> Result<Url> {
        let named = self
            .overrides
            .get(product.key())
            .or_else(|| self.overrides.get("default"));
        let host = match named {
            Some(host) => host.clone(),
            None => self.usual(product)?,
        };
        base(&host, self.scheme).map_err(|why| invalid(format!("endpoints.{}: `{host}`: {why}", product.key())))
    }

    fn usual(&self, product: Product) -> Result<String> {
        let region = &self.region;
        match &self.rule {
            Rule::Public(network) => Ok(public(product, region, *network)),
            Rule::Gateway { gateway, .. } if product != Product::Sls => Ok(gateway.clone()),
            Rule::Gateway {
                domain: Some(domain), ..
            } => Ok(stack(product, region, domain, false)),
            Rule::Domain { domain, center } => Ok(stack(product, region, domain, *center)),
            Rule::Gateway { .. } | Rule::Named => Err(invalid(format!(
                "spec.apsara: nothing says where {key} is reached; set `domain` or `endpoints.{key}`",
                key = product.key()
            ))),
        }
    }
}

fn public(product: Product, region: &str, network: EndpointNetwork) -> String {
    let key = match product {
        Product::Cms => "metrics",
        product => product.key(),
    };
    if product == Product::Sls {
        return match network {
            EndpointNetwork::Public => format!("{region}.log.aliyuncs.com"),
            EndpointNetwork::Vpc => format!("{region}-intranet.log.aliyuncs.com"),
        };
    }
    if network == EndpointNetwork::Vpc {
        return format!("{key}-vpc.{region}.aliyuncs.com");
    }
    let finance = matches!(
        region,
        "cn-hangzhou-finance" | "cn-shanghai-finance-1" | "cn-shenzhen-finance-1"
    );
    match (product, region) {
        (Product::Rds, "cn-hangzhou-finance") => "rds-vpc.cn-hangzhou-finance.aliyuncs.com".into(),
        (Product::Vpc, "cn-hangzhou" | "cn-north-2-gov-1") => "vpc.aliyuncs.com".into(),
        (Product::Vpc, _) if finance => "vpc.aliyuncs.com".into(),
        (Product::Ecs, "cn-hangzhou" | "cn-shanghai-finance-1" | "cn-shenzhen-finance-1") => {
            "ecs-cn-hangzhou.aliyuncs.com".into()
        }
        (Product::Ecs, "cn-hangzhou-finance" | "cn-north-2-gov-1") => "ecs.aliyuncs.com".into(),
        (Product::Slb | Product::Rds, region) if finance || CENTRAL.contains(&region) => format!("{key}.aliyuncs.com"),
        (Product::Rds, "cn-heyuan" | "cn-beijing-finance-1") => "rds.aliyuncs.com".into(),
        _ => format!("{key}.{region}.aliyuncs.com"),
    }
}

fn stack(product: Product, region: &str, domain: &str, center: bool) -> String {
    let host = match product {
        Product::Vpc => "vpc-internal",
        Product::Ecs => "ecs-internal",
        Product::Slb => "slb-vpc",
        Product::Cms => "metrics.open",
        Product::SlsProjects => "sls",
        Product::Sls => return format!("data.{region}.sls-pub.{domain}"),
        product => product.key(),
    };
    if center {
        format!("{host}.{domain}")
    } else {
        format!("{host}.{region}.{domain}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn host(config: &serde_json::Value, product: Product) -> String {
        let endpoints = match config.get("resourceGroup") {
            Some(_) => Endpoints::apsara(&ApsaraConfig::read(config).expect("it is good")),
            None => Endpoints::public(&AliyunConfig::read(config).expect("it is good")),
        };
        endpoints.of(product).expect("there is one").to_string()
    }

    #[test]
    fn each_product_has_its_own_habits() {
        for (region, product, expected) in [
            ("cn-hangzhou", Product::Vpc, "https://vpc.aliyuncs.com/"),
            ("cn-hangzhou", Product::Ecs, "https://ecs-cn-hangzhou.aliyuncs.com/"),
            ("cn-hangzhou", Product::Cms, "https://metrics.cn-hangzhou.aliyuncs.com/"),
            ("cn-hangzhou", Product::Sls, "https://cn-hangzhou.log.aliyuncs.com/"),
            ("cn-hangzhou", Product::Nlb, "https://nlb.cn-hangzhou.aliyuncs.com/"),
            ("eu-central-1", Product::Rds, "https://rds.eu-central-1.aliyuncs.com/"),
            ("cn-heyuan", Product::Rds, "https://rds.aliyuncs.com/"),
            ("cn-heyuan", Product::Slb, "https://slb.cn-heyuan.aliyuncs.com/"),
            (
                "cn-hangzhou-finance",
                Product::Rds,
                "https://rds-vpc.cn-hangzhou-finance.aliyuncs.com/",
            ),
        ] {
            assert_eq!(
                host(&json!({"region": region}), product),
                expected,
                "{product:?} in {region}"
            );
        }
    }

    #[test]
    fn within_a_network_or_as_named() {
        let inside = json!({"region": "cn-hangzhou", "network": "vpc", "endpoints": {"sts": "http://127.0.0.1:8080"}});
        assert_eq!(host(&inside, Product::Rds), "https://rds-vpc.cn-hangzhou.aliyuncs.com/");
        assert_eq!(
            host(&inside, Product::Sls),
            "https://cn-hangzhou-intranet.log.aliyuncs.com/"
        );
        assert_eq!(host(&inside, Product::Sts), "http://127.0.0.1:8080/");
        let all = json!({"region": "cn-hangzhou", "scheme": "http", "endpoints": {"default": "127.0.0.1:9"}});
        assert_eq!(host(&all, Product::Rds), "http://127.0.0.1:9/");
    }

    #[test]
    fn a_stack_has_hosts_or_a_gateway() {
        let mut stack = json!({"region": "cn-x", "domain": "d.example", "resourceGroup": "8", "organization": "7"});
        assert_eq!(host(&stack, Product::Vpc), "https://vpc-internal.cn-x.d.example/");
        assert_eq!(host(&stack, Product::Sls), "https://data.cn-x.sls-pub.d.example/");
        stack["center"] = json!(true);
        assert_eq!(host(&stack, Product::Rds), "https://rds.d.example/");
        stack["gateway"] = json!("https://public.asapi.d.example/asapi/v3");
        assert_eq!(host(&stack, Product::Rds), "https://public.asapi.d.example/asapi/v3");
        assert_eq!(host(&stack, Product::Sls), "https://data.cn-x.sls-pub.d.example/");
    }
}
