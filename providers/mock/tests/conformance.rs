//! The mock cloud under the conformance kit.

mod common;

use common::{Mock, cloud};
use mooring_provider::{Kind, conformance};

macro_rules! conforms {
    ($($name:ident: $kind:ident,)*) => {
        $(#[tokio::test(start_paused = true)]
        async fn $name() {
            conformance::assert_conforms(&Mock::new(cloud(|_| ()), Kind::$kind)).await;
        })*
    };
}

conforms! {
    vpc: Vpc,
    rds: Rds,
    slb: Slb,
    log: Log,
    monitor: Monitor,
}
