//! The log, monitor and slb adapters against real servers: Loki, Prometheus with Alertmanager, and Caddy.
//!
//! Each test starts its own servers on free ports of the loopback address and ends them by their process ids. A test
//! whose server cannot be had fails and says how to get it. Faults come from a proxy between the adapter and the
//! server.

mod http;
mod kit;
mod log_loki;
mod log_victorialogs;
mod monitor_alerts;
mod monitor_kit;
mod proxy;
mod slb_balances;
mod slb_kit;
