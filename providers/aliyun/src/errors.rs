//! What an error code means, in one place.
//!
//! The APIs use a status of HTTP loosely: a revoked key and a missing role are 404, a database that is busy is 403,
//! and an unknown network is 200. So the code decides, and a status only where there is no code that is known.

use mooring_provider::{Error, ErrorKind};
use mooring_provider_http::StatusCode;

use crate::product::Product;

/// Codes with which a product says that the very thing the call is about does not exist. Case differs by region and
/// age of the API, so they are compared without it. A 404 alone proves nothing.
const fn not_found(product: Product) -> &'static [&'static str] {
    match product {
        Product::Vpc => &[
            "InvalidVpcId.NotFound",
            "Forbidden.VpcNotFound",
            "InvalidVSwitchId.NotFound",
        ],
        Product::Ecs => &["InvalidSecurityGroupId.NotFound"],
        Product::Slb => &[
            "InvalidLoadBalancerId.NotFound",
            "ResourceNotFound.Listener",
            "ResourceNotFound.vServers",
            "AclNotExist",
        ],
        Product::Nlb => &[
            "ResourceNotFound.LoadBalancer",
            "ResourceNotFound.Listener",
            "ResourceNotFound.ServerGroup",
            "ResourceNotFound.JobId",
        ],
        Product::Rds => &[
            "InvalidDBInstanceName.NotFound",
            "InvalidDBInstanceId.NotFound",
            "InvalidDBInstance.NotFound",
            "InvalidDBInstanceName.Deleted",
            "InvalidAccountName.NotFound",
            "InvalidDBName.NotFound",
            "InvalidDB.NotFound",
        ],
        Product::Cms => &["ResourceNotFound", "ContactNotExists", "ContactGroup.NotExists"],
        Product::Sls | Product::SlsProjects => &[
            "ProjectNotExist",
            "LogStoreNotExist",
            "IndexConfigNotExist",
            "ConfigNotExist",
            "MachineGroupNotExist",
            "GroupNotExist",
        ],
        Product::Sts | Product::Ascm => &[],
    }
}

/// Whether this product says with this code that the very thing does not exist.
pub(crate) fn is_not_found_code(product: Product, code: &str) -> bool {
    not_found(product).iter().any(|known| known.eq_ignore_ascii_case(code))
}

/// Whether this product answered that the very thing does not exist.
pub fn is_not_found(product: Product, error: &Error) -> bool {
    error.code().is_some_and(|code| is_not_found_code(product, code))
}

/// Whether there is one of this name, or one with it already.
pub fn is_duplicate(error: &Error) -> bool {
    error
        .code()
        .is_some_and(|code| family(&code.to_ascii_lowercase()) == Some(ErrorKind::NotOwned))
}

/// What kind of error a code is. `status` decides where the code is not known, or there is none.
pub(crate) fn kind(product: Product, status: StatusCode, code: Option<&str>) -> ErrorKind {
    if let Some(code) = code {
        if is_not_found_code(product, code) {
            // Not there, or not to be seen yet; what is asked of it had no effect.
            return ErrorKind::Busy;
        }
        if let Some(kind) = family(&code.to_ascii_lowercase()) {
            return kind;
        }
    }
    match status.as_u16() {
        429 => ErrorKind::Throttled,
        408 | 500.. => ErrorKind::Unavailable,
        401 => ErrorKind::Unauthenticated,
        403 => ErrorKind::PermissionDenied,
        _ => ErrorKind::Unexpected,
    }
}

/// The kind of a code, in lower case, wherever it comes from.
fn family(code: &str) -> Option<ErrorKind> {
    let starts = |with: &[&str]| with.iter().any(|with| code.starts_with(with));
    let has = |with: &[&str]| with.iter().any(|with| code.contains(with));
    let is = |with: &[&str]| with.contains(&code);
    let kind = match () {
        () if has(&["throttl"]) || is(&["writequotaexceed", "readquotaexceed", "shardwritequotaexceed"]) => {
            ErrorKind::Throttled
        }
        () if starts(&[
            "invalidaccesskeyid",
            "invalidsecuritytoken",
            "invalidtimestamp",
            "invalidcredential",
        ]) || has(&["signaturedoesnotmatch", "signaturenotmatch", "incompletesignature"])
            || is(&[
                "illegaltimestamp",
                "missingsecuritytoken",
                "missingaccesskeyid",
                "unauthorized",
                "requesttimeexpired",
                "requesttimetooskewed",
                "invalidaccesskeysecret",
                "invalidclienttokenid",
                "securitytokenexpired",
            ]) =>
        {
            ErrorKind::Unauthenticated
        }
        // What was sent may have been taken: somebody on the way sent it twice.
        () if is(&["signaturenonceused"]) => ErrorKind::Unavailable,
        () if starts(&[
            "insufficientbalance",
            "order.",
            "orderstatus.",
            "pay.",
            "insufficientavailablequota",
        ]) || has(&[
            "insufficientbalance",
            "quotaexceed",
            "exceedquota",
            "overquota",
            "riskcontrol",
            "risk_control",
            "limitexceed",
            "exceedlimit",
            "overdue",
            "arrear",
            "notonsale",
            "nostock",
            "resourcenotenough",
            "overlimit",
            "account.debt",
        ]) || is(&[
            "resourcenotavailable",
            "insufficientresourcecapacity",
            "vswitchavailableipnotexist",
            "subnetipexhaust",
            "cash.book.insufficient",
        ]) =>
        {
            ErrorKind::QuotaExceeded
        }
        () if is_busy(code) => ErrorKind::Busy,
        () if code.ends_with(".duplicate") || has(&["alreadyexist", "alreadyused"]) || is(&["resourceexist"]) => {
            ErrorKind::NotOwned
        }
        () if starts(&[
            "forbidden",
            "nopermission",
            "accessdenied",
            "accessforbidden",
            "entitynotexist.role",
        ]) || has(&["authenticationfail", "unauthorizedregion"])
            || is(&["invalidregionid.notfound", "forbbiden"]) =>
        {
            ErrorKind::PermissionDenied
        }
        () if starts(&[
            "serviceunavailable",
            "internalerror",
            "internalfailure",
            "internalservererror",
        ]) || is(&["unknownerror", "requesttimeout", "serverbusy", "internal_error"]) =>
        {
            ErrorKind::Unavailable
        }
        () if has(&["notsupport", "unsupport", "operationunsupported"]) => ErrorKind::Unsupported,
        () if starts(&[
            "missing",
            "invalidparam",
            "illegalparam",
            "invalidcidrblock",
            "parameterinvalid",
        ]) || code.ends_with(".malformed")
            || code.ends_with(".format")
            || code.ends_with(".valuenotsupported")
            || has(&["infoinvalid", "parameterillegal"]) =>
        {
            ErrorKind::InvalidSpec
        }
        () => return None,
    };
    Some(kind)
}

/// Whether the thing, or what depends on it, is in a state that forbids the call now.
fn is_busy(code: &str) -> bool {
    let state = code.starts_with("incorrect") && (code.contains("status") || code.contains("state"));
    let begins = [
        "dependencyviolation",
        "operationdenied.",
        "operationconflict",
        "taskconflict",
        "conflict.",
        "resourceinconfiguring",
        "invalidstatus.",
        "idempotentparametermismatch",
        "idempotencesignaturemismatch",
        "duplicated.clienttoken",
        "inuse.",
    ];
    let whole = [
        "systembusy",
        "operationbusy",
        "token_processing",
        "operationfailed.systembusy",
        "operationfailed.distibutelock",
        "operationfailed.listenerstatusnotsupport",
        "operationfailed.notifycencreate",
        "backendserver.configuring",
        "serviceisconfiguring",
        "serviceisstopping",
        "rspoolvipexist",
        "locktimeout",
        "concurrenttaskexceeded",
        "invalidconcurrentoperate",
        "instanceconnecttimeoutfault",
        "database.connecterror",
        "backupjobexists",
        "accountactionforbidden",
        "aclinused",
        "operationfailed.aclbindedwithvip",
    ];
    state
        || begins.iter().any(|begin| code.starts_with(begin))
        || whole.contains(&code)
        || code.ends_with("processing")
        || code.ends_with("servicebusy")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(product: Product, status: u16, code: &str) -> ErrorKind {
        kind(product, StatusCode::from_u16(status).expect("a status"), Some(code))
    }

    #[test]
    fn a_404_is_not_gone() {
        for code in ["InvalidAccessKeyId.NotFound", "InvalidAccessKeyId.Inactive"] {
            assert_eq!(of(Product::Rds, 404, code), ErrorKind::Unauthenticated);
            assert!(!is_not_found_code(Product::Rds, code));
        }
        assert_eq!(
            of(Product::Sts, 404, "EntityNotExist.Role"),
            ErrorKind::PermissionDenied
        );
        assert!(!is_not_found_code(Product::Vpc, "InvalidRegionId.NotFound"));
        assert!(!is_not_found_code(Product::Rds, "InvalidVpcId.NotFound"));
        assert_eq!(kind(Product::Rds, StatusCode::NOT_FOUND, None), ErrorKind::Unexpected);
        assert!(is_not_found_code(Product::Vpc, "InvalidVpcID.NotFound"));
        assert!(is_not_found_code(Product::Vpc, "InvalidVswitchID.NotFound"));
        assert!(is_not_found_code(Product::Rds, "InvalidDBInstanceId.NotFound"));
    }

    #[test]
    fn each_code_has_its_kind() {
        for (product, status, code, expected) in [
            (Product::Rds, 403, "IncorrectDBInstanceState", ErrorKind::Busy),
            (Product::Rds, 403, "OperationDenied.OutofUsage", ErrorKind::Busy),
            (Product::Rds, 400, "InvalidAccountName.Duplicate", ErrorKind::NotOwned),
            (Product::Rds, 403, "AccountLimitExceeded", ErrorKind::QuotaExceeded),
            (Product::Rds, 403, "OrderStatus.UnPaid", ErrorKind::QuotaExceeded),
            (
                Product::Rds,
                400,
                "InvalidAccountPassword.Format",
                ErrorKind::InvalidSpec,
            ),
            (
                Product::Rds,
                403,
                "RISK.RISK_CONTROL_REJECTION",
                ErrorKind::QuotaExceeded,
            ),
            (Product::Vpc, 400, "QuotaExceeded.Vpc", ErrorKind::QuotaExceeded),
            (Product::Vpc, 400, "DependencyViolation.SecurityGroup", ErrorKind::Busy),
            (Product::Vpc, 400, "TOKEN_PROCESSING", ErrorKind::Busy),
            (
                Product::Vpc,
                400,
                "OperationFailed.LastTokenProcessing",
                ErrorKind::Busy,
            ),
            (Product::Vpc, 400, "Throttling.User", ErrorKind::Throttled),
            (Product::Vpc, 503, "Rejected.Throttling", ErrorKind::Throttled),
            (Product::Vpc, 403, "Forbidden.RAM", ErrorKind::PermissionDenied),
            (
                Product::Slb,
                400,
                "OperationFailed.ListenerStatusNotSupport",
                ErrorKind::Busy,
            ),
            (Product::Nlb, 409, "Conflict.Lock", ErrorKind::Busy),
            (Product::Nlb, 400, "IncorrectStatus.loadBalancer", ErrorKind::Busy),
            (Product::Sls, 400, "ProjectAlreadyExist", ErrorKind::NotOwned),
            (Product::Sls, 403, "WriteQuotaExceed", ErrorKind::Throttled),
            (Product::Sls, 400, "ProjectQuotaExceed", ErrorKind::QuotaExceeded),
            (Product::Sls, 401, "SignatureNotMatch", ErrorKind::Unauthenticated),
            (Product::Sls, 500, "InternalServerError", ErrorKind::Unavailable),
            (Product::Slb, 400, "InsufficientBalance", ErrorKind::QuotaExceeded),
            (Product::Slb, 500, "SomethingNew", ErrorKind::Unavailable),
            (Product::Slb, 400, "SomethingNew", ErrorKind::Unexpected),
            (
                Product::Sts,
                400,
                "InvalidSecurityToken.Expired",
                ErrorKind::Unauthenticated,
            ),
        ] {
            assert_eq!(of(product, status, code), expected, "{code}");
        }
    }
}
