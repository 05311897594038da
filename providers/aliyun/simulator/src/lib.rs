//! Alibaba Cloud on one port, for tests: the wire protocol, the states and the faults, without an account.
