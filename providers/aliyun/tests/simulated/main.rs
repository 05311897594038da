//! The adapters on the simulated cloud, which is in this process: no sockets, and a clock that leaps over every wait.

mod alarms;
mod balancers;
mod conformance;
mod databases;
mod kit;
mod logs;
mod network;
mod stack;
