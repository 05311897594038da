pub(crate) async fn record(_: &super::Context, _: &crate::ledger::Record, _: crate::api::RetainedStanding) -> kube::Result<()> { Ok(()) }
